// usage: deflate_test.mjs compares the page's DEFLATE with zlib's
import assert from 'node:assert/strict';
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { deflate, inflate } from '../../client/web/page/deflate.js';

const LIMIT = 1 << 22;
let seed = 1;
const random = () => { seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff; return seed / 0x7fffffff; };
const noise = (count, kinds) => Uint8Array.from({ length: count }, () => Math.floor(random() * kinds));
const numbers = new TextEncoder().encode(JSON.stringify(Array.from({ length: 3000 }, (v, i) => Math.round(Math.sin(i / 9) * 300))));
const texts = [new Uint8Array(0), Uint8Array.of(7), Uint8Array.of(1, 1, 1, 1), new Uint8Array(1000), noise(70000, 256), noise(70000, 2), numbers];

for (const text of texts) {
  assert.deepEqual(new Uint8Array(inflateRawSync(deflate(text))), text, 'zlib reads what the page writes');
  assert.deepEqual(inflate(deflate(text), LIMIT), text, 'the page reads what it writes');
  for (const strategy of [constants.Z_DEFAULT_STRATEGY, constants.Z_FIXED, constants.Z_HUFFMAN_ONLY]) {
    for (const level of [0, 1, 9]) {
      assert.deepEqual(inflate(deflateRawSync(text, { level, strategy }), LIMIT), text, 'the page reads what zlib writes');
    }
  }
}
assert.ok(deflate(numbers).length * 2.5 < numbers.length, 'numbers become shorter');

const packed = deflateRawSync(numbers);
for (let end = 0; end < packed.length; end += 1) assert.throws(() => inflate(packed.subarray(0, end), LIMIT), Error, `cut at ${end}`);
assert.throws(() => inflate(deflateRawSync(new Uint8Array(LIMIT + 1)), LIMIT), /too long/);
for (let i = 0; i < 3000; i += 1) {
  const damaged = Uint8Array.from(packed);
  damaged[Math.floor(random() * damaged.length)] ^= 1 << Math.floor(random() * 8);
  try { assert.ok(inflate(damaged, LIMIT).length <= LIMIT); } catch (error) { assert.ok(!(error instanceof TypeError || error instanceof RangeError), String(error.stack)); }
}
