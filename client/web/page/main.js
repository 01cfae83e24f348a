import { ModelBadge } from './model_badge.js';
import { OperatorView } from './operator_view.js';
import { SearchView } from './search_view.js';
import { byId } from './dom.js';
import { completeDialogs } from './dialogs.js';

const THEMES = ['', 'light', 'dark'];

function showTheme(theme) {
  byId('dark').media = { '': '(prefers-color-scheme: dark)', light: 'not all', dark: 'all' }[theme];
  const name = { '': 'Auto', light: 'Light', dark: 'Dark' }[theme];
  byId('theme-switch').textContent = name;
  byId('theme-switch').setAttribute('aria-label', `Colours: ${name}`);
}

function wireTheme() {
  let theme = '';
  try { theme = localStorage.getItem('s2p-theme') || ''; } catch { /* a private window */ }
  if (!THEMES.includes(theme)) theme = '';
  showTheme(theme);
  byId('theme-switch').addEventListener('click', () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    showTheme(theme);
    try { localStorage.setItem('s2p-theme', theme); } catch { /* then it is not saved */ }
  });
}

const badge = new ModelBadge();
let search = null;
let operator = null;

/** Shows the view that the address names. */
function route() {
  const isOperator = location.pathname === '/operator';
  byId('search-view').hidden = isOperator;
  byId('operator-view').hidden = !isOperator;
  for (const link of document.querySelectorAll('[data-view]')) {
    if ((link.dataset.view === 'operator') === isOperator) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  if (isOperator) {
    operator ||= new OperatorView(byId('operator-view'));
    operator.enter();
  } else {
    if (operator) operator.leave();
    search ||= new SearchView(badge);
    search.enter();
  }
}

/** Goes to an address of this page. Loads it if the browser refuses, as Safari does after 100 changes in 30 s. */
function go(path) {
  try {
    history.pushState(null, '', path);
  } catch {
    location.assign(path);
    return;
  }
  route();
}

for (const link of document.querySelectorAll('[data-view]')) {
  link.addEventListener('click', (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (link.pathname === location.pathname) {
      route();
      return;
    }
    // Keep the search: it is in the address being left, and in the one for coming back.
    if (search) search.writeLink();
    go(link.pathname === '/' && search ? search.path : link.pathname);
  });
}
addEventListener('popstate', route);
// Focus without setting the address's fragment, which holds the search.
byId('skip-link').addEventListener('click', (event) => {
  event.preventDefault();
  byId(location.pathname === '/operator' ? 'operator-view' : 'results').focus();
});
completeDialogs();
byId('help-open').addEventListener('click', () => byId('help').showModal());
wireTheme();
route();
