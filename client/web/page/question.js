import { byId, el } from './dom.js';

/**
 * Asks, and waits for the answer.
 * @param {string|string[]} question one paragraph or several
 * @param {string} yes the words of the button that agrees
 * @param {{danger?: boolean}} [options] danger: what is agreed to destroys something
 * @returns {Promise<boolean>}
 */
export function ask(question, yes, { danger = true } = {}) {
  return new Promise((answer) => {
    const dialog = byId('question');
    const words = el('div', { id: 'question-text' }, [question].flat().map((text) => el('p', {}, text)));
    dialog.replaceChildren(words, el('form', { method: 'dialog', class: 'row' }, el('span', { class: 'grow' }),
      el('button', { value: 'no' }, 'Cancel'), el('button', { value: 'yes', class: danger ? 'danger' : 'main' }, yes)));
    dialog.addEventListener('close', () => answer(dialog.returnValue === 'yes'), { once: true });
    dialog.returnValue = '';
    dialog.showModal();
  });
}
