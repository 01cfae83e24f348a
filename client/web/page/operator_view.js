import { FeedbackPanel } from './feedback_panel.js';
import { GalleryPanel } from './gallery_panel.js';
import { JobsPanel } from './jobs_panel.js';
import { ModelPanel } from './model_panel.js';
import { call, sentenceOf } from './gateway.js';
import { button, el } from './dom.js';

/** The tab's URL fragment, so a reload reopens it. The first tab needs none. */
const fragmentOf = (name) => ({ Feedback: '#feedback', Model: '#model', 'Training jobs': '#training' }[name] || '');

/** Puts the open tab into the address. */
function nameTab(name) {
  // Safari refuses after 100 changes in 30 s; then a reload opens the previous tab.
  try { history.replaceState(null, '', `/operator${fragmentOf(name)}`); } catch { /* the tab itself is open */ }
}

/** The operators' view: gallery, feedback, model, training jobs; a login if the gateway requires one. */
export class OperatorView {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.panel = null;
    // Identifies the view being opened; leaving or opening again cancels it.
    this.turn = 0;
  }

  async enter() {
    this.turn += 1;
    const { turn } = this;
    try {
      const session = await call('GET', '/api/session');
      // A server that does not collect feedback refuses.
      const collects = await call('GET', '/api/feedback/stats').then(() => true, () => false);
      if (turn !== this.turn) return;
      this.session = { ...session, feedback: collects };
    } catch (error) {
      if (turn !== this.turn) return;
      this.leave();
      this.root.replaceChildren(el('div', { class: 'state bad' }, el('p', {}, sentenceOf(error)),
        button('Try again', () => this.enter())));
      return;
    }
    if (this.session.operator) this.showPanels();
    else this.showLogin();
  }

  leave() {
    this.turn += 1;
    if (this.panel) this.panel.leave();
    this.panel = null;
  }

  showLogin() {
    this.leave();
    const { turn } = this;
    const password = el('input', { type: 'password', id: 'password', autocomplete: 'current-password' });
    const wrong = el('p', { class: 'wrong', role: 'alert' });
    const form = el('form', { class: 'state login', on: { submit: async (event) => {
      event.preventDefault();
      wrong.textContent = '';
      try {
        await call('POST', '/api/login', { json: { password: password.value } });
        if (turn === this.turn) this.enter();
      } catch (error) {
        wrong.textContent = error.code === 'UNAUTHENTICATED' ? 'This password is wrong.'
          : error.ours && error.code === 'RESOURCE_EXHAUSTED' ? `Too many wrong passwords: try again in ${error.retryAfter || 60} s.` : sentenceOf(error);
        password.select();
      }
    } } }, el('h1', {}, 'Operator'), el('label', {}, 'Password ', password), el('button', { class: 'main' }, 'Log in'), wrong);
    this.root.replaceChildren(form);
    password.focus();
  }

  showPanels() {
    const panels = { Gallery: () => new GalleryPanel(this.session) };
    if (this.session.feedback) panels.Feedback = () => new FeedbackPanel();
    panels.Model = () => new ModelPanel();
    if (this.session.trainer) panels['Training jobs'] = () => new JobsPanel(this.session);
    this.place = el('div', { role: 'tabpanel', class: 'panel' });
    const tabs = Object.keys(panels).map((name) => button(name, () => { this.open(name, panels[name]); nameTab(name); }, { role: 'tab', id: `tab-${name.split(' ')[0].toLowerCase()}` }));
    this.tabs = tabs;
    const logout = this.session.loginRequired && button('Log out', async () => {
      await call('POST', '/api/logout', { json: {} }).catch(() => {});
      this.leave();
      this.enter();
    }, { class: 'quiet' });
    this.root.replaceChildren(el('div', { class: 'row' }, el('div', { role: 'tablist', class: 'row', 'aria-label': 'Operator' }, tabs),
      el('span', { class: 'grow' }), logout), this.place);
    const asked = Object.keys(panels).find((name) => fragmentOf(name) === location.hash);
    this.open(asked || 'Gallery', panels[asked || 'Gallery']);
  }

  open(name, make) {
    this.leave();
    for (const tab of this.tabs) tab.setAttribute('aria-selected', String(tab.textContent === name));
    this.panel = make();
    this.place.setAttribute('aria-label', name);
    this.place.replaceChildren(this.panel.root);
  }
}
