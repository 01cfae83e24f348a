/**
 * Adds showModal and close to the page's dialogs in browsers without <dialog>: Firefox before 98,
 * Safari before 15.4. page.css hides dialogs until they are open.
 */
export function completeDialogs() {
  for (const dialog of document.querySelectorAll('dialog')) if (typeof dialog.showModal !== 'function') complete(dialog);
}

function complete(dialog) {
  let before = null;
  let pressed = null;
  const usable = () => [...dialog.querySelectorAll('button, input, select, a[href]')].filter((node) => !node.disabled);
  Object.defineProperty(dialog, 'open', { get: () => dialog.hasAttribute('open') });
  dialog.returnValue = '';
  dialog.classList.add('plain');
  dialog.setAttribute('role', 'dialog');
  dialog.setAttribute('aria-modal', 'true');
  dialog.showModal = () => {
    before = document.activeElement;
    dialog.setAttribute('open', '');
    document.body.classList.add('under-dialog');
    if (usable().length) usable()[0].focus();
  };
  dialog.close = (value) => {
    if (!dialog.open) return;
    dialog.removeAttribute('open');
    document.body.classList.remove('under-dialog');
    if (value !== undefined) dialog.returnValue = value;
    if (before) before.focus();
    dialog.dispatchEvent(new Event('close'));
  };
  dialog.addEventListener('click', (event) => { pressed = event.target.closest('button'); });
  dialog.addEventListener('submit', (event) => {
    if (event.target.getAttribute('method') !== 'dialog') return;
    event.preventDefault();
    dialog.close(pressed ? pressed.value : '');
  });
  dialog.addEventListener('keydown', (event) => {
    const nodes = usable();
    const leaving = event.shiftKey ? nodes[0] : nodes[nodes.length - 1];
    if (event.key === 'Escape') dialog.close();
    else if (event.key === 'Tab' && document.activeElement === leaving) nodes[event.shiftKey ? nodes.length - 1 : 0].focus();
    else return;
    event.preventDefault();
  });
}
