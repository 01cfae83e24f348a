// usage: syntax_test.mjs checks the page's files against the syntax of browsers from 2021
//
// Those are Chrome 92, Firefox 90 and Safari 14.1. browserOf2021 in page_scenarios.mjs removes
// newer features that a script can remove; it cannot remove syntax or style sheets.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { parse } from 'acorn';

const FOLDER = new URL('../../client/web/page/', import.meta.url);
// Each is newer than one of the three, and the page uses none of them, not even with a fallback.
const YOUNGER_CSS = /light-dark\(|color-mix\(|:has\(|@layer|@container|@scope|@starting-style|\d[dsl]v[hw]|subgrid|text-wrap|oklch\(|:user-invalid|scrollbar-gutter/;
const YOUNGER_API = /\.at\(|\.findLast\(|structuredClone|Object\.hasOwn|randomUUID|OffscreenCanvas|AbortSignal\.(timeout|any)|CompressionStream\(|\.toSorted|\.withResolvers|requestSubmit|\.inert\b|import\(/;

/** @param {string} rules a style sheet without comments @returns {boolean} whether a rule contains another; @media and @supports may */
function nests(rules) {
  const open = [];
  for (const [, before, mark] of rules.matchAll(/([^{};]*)([{};])/g)) {
    if (mark === '}') open.pop();
    if (mark !== '{') continue;
    if (open.includes('rule')) return true;
    open.push(/^\s*@(media|supports)\b/.test(before) ? 'group' : 'rule');
  }
  return false;
}
assert.ok(nests('a { b { } }'));
assert.ok(nests('@media print { a { } } a { @media print { } }'));
assert.ok(!nests('@supports (a: b) { @media print { a { } } a { } } a { }'));

const files = readdirSync(FOLDER);
const read = (name) => readFileSync(new URL(name, FOLDER), 'utf8');

for (const name of files.filter((file) => file.endsWith('.js'))) {
  const text = read(name);
  // 2021: no class fields, static blocks, private names or top-level await.
  assert.doesNotThrow(() => parse(text, { ecmaVersion: 2021, sourceType: 'module' }), name);
  const young = text.replace(/\/\*.*?\*\/|^\s*\/\/.*?$/gsm, '').match(YOUNGER_API);
  assert.ok(!young, `${name} uses ${young && young[0]}`);
}
for (const name of files.filter((file) => file.endsWith('.css'))) {
  const rules = read(name).replace(/\/\*.*?\*\//gs, '');
  const young = rules.match(YOUNGER_CSS);
  assert.ok(!young, `${name} uses ${young && young[0]}`);
  assert.ok(!nests(rules), `${name} nests rules`);
}
