// usage: left_behind_test.mjs checks that the page skips the same file names as the programs
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

const ROOT = new URL('../../', import.meta.url);

/** The quoted strings between `start` and `end` in a source file. */
function namesIn(path, start, end) {
  const text = readFileSync(new URL(path, ROOT), 'utf8');
  const at = text.indexOf(start);
  assert.ok(at >= 0, `${path} has ${start}`);
  const list = text.slice(at + start.length, text.indexOf(end, at));
  return [...list.matchAll(/'([^']*)'|"([^"]*)"/g)].map(([, single, double]) => single || double).sort();
}

const page = namesIn('client/web/page/dropped_files.js', 'LEFT_BEHIND = [', ']');
assert.ok(page.includes('thumbs.db'));
assert.deepEqual(page, namesIn('base/left_behind.cc', 'kNames[] = {', '}'));
