// usage: syntax_test.mjs     holds the page's files against what browsers of 2021 understand
//
// Those are Chrome 92, Firefox 90 and Safari 14.1. What a script can take away from a browser,
// browserOf2021 in page_scenarios.mjs takes away; syntax and style sheets it cannot.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { parse } from 'acorn';

const FOLDER = new URL('../../client/web/page/', import.meta.url);
// Each younger than one of the three, and used nowhere here with a fallback.
const YOUNGER_CSS = /light-dark\(|color-mix\(|:has\(|@layer|@container|@scope|@starting-style|\d[dsl]v[hw]|subgrid|text-wrap|oklch\(|:user-invalid|scrollbar-gutter/;
const YOUNGER_API = /\.at\(|\.findLast\(|structuredClone|Object\.hasOwn|randomUUID|OffscreenCanvas|AbortSignal\.(timeout|any)|CompressionStream\(|\.toSorted|\.withResolvers|requestSubmit|\.inert\b|import\(/;

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
  // Nested rules: a brace within a rule that is not an @media or @supports block.
  let depth = 0;
  for (const [brace] of rules.replace(/@(media|supports)[^{]*\{/g, '').matchAll(/[{}]/g)) {
    depth += brace === '{' ? 1 : -1;
    assert.ok(depth <= 1, `${name} nests rules`);
  }
}
