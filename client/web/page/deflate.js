// Synchronous DEFLATE (RFC 1951) for links. The browser's own CompressionStream is asynchronous, so
// it could not write an address at the moment the user leaves the page; Safari before 16.4 and
// Firefox before 113 lack it.

const LENGTHS = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
const LENGTH_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCES = [1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
  8193, 12289, 16385, 24577];
const DISTANCE_BITS = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];
const CODE_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const FIXED_LENGTHS = [...Array(144).fill(8), ...Array(112).fill(9), ...Array(24).fill(7), ...Array(8).fill(8)];
const WINDOW = 32768;
const TRIED = 64;
const HASHES = 1 << 15;

/** Huffman codes are written with their highest bit first, everything else with the lowest. */
function reversed(code, count) {
  let out = 0;
  for (let i = 0; i < count; i += 1) out |= ((code >> i) & 1) << (count - 1 - i);
  return out;
}

const FIXED_CODES = FIXED_LENGTHS.map((length, value) => reversed(value < 144 ? 0x30 + value : value < 256 ? 0x190 + value - 144
  : value < 280 ? value - 256 : 0xc0 + value - 280, length));

/** Index of the last entry of the ascending `table` that is not above `value`. */
function slot(table, value) {
  let at = table.length - 1;
  while (table[at] > value) at -= 1;
  return at;
}

class BitWriter {
  constructor() { this.bytes = []; this.held = 0; this.count = 0; }

  /** Writes `count` bits of `value`, the lowest first. */
  put(value, count) {
    this.held |= value << this.count;
    for (this.count += count; this.count >= 8; this.count -= 8) {
      this.bytes.push(this.held & 255);
      this.held >>>= 8;
    }
  }

  /** Writes a symbol in the fixed code. */
  symbol(value) { this.put(FIXED_CODES[value], FIXED_LENGTHS[value]); }

  match(length, distance) {
    const l = slot(LENGTHS, length);
    this.symbol(257 + l);
    this.put(length - LENGTHS[l], LENGTH_BITS[l]);
    const d = slot(DISTANCES, distance);
    this.put(reversed(d, 5), 5);
    this.put(distance - DISTANCES[d], DISTANCE_BITS[d]);
  }
}

/** @param {Uint8Array} bytes @returns {Uint8Array} one block with fixed codes */
export function deflate(bytes) {
  const out = new BitWriter();
  // The latest position of three bytes with this hash, and for each position the previous one with
  // the same hash.
  const latest = new Int32Array(HASHES).fill(-1);
  const earlier = new Int32Array(bytes.length);
  const hashAt = (at) => ((bytes[at] << 10) ^ (bytes[at + 1] << 5) ^ bytes[at + 2]) & (HASHES - 1);
  const longest = (at) => {
    let best = 2;
    let from = -1;
    let candidate = at + 2 < bytes.length ? latest[hashAt(at)] : -1;
    for (let tries = 0; candidate >= 0 && at - candidate <= WINDOW && tries < TRIED; tries += 1) {
      let length = 0;
      while (length < 258 && at + length < bytes.length && bytes[candidate + length] === bytes[at + length]) length += 1;
      if (length > best) { best = length; from = candidate; }
      candidate = earlier[candidate];
    }
    return { length: best, from };
  };
  out.put(3, 3);
  for (let at = 0; at < bytes.length;) {
    const { length, from } = longest(at);
    if (from >= 0) out.match(length, at - from);
    else out.symbol(bytes[at]);
    for (const end = at + (from >= 0 ? length : 1); at < end; at += 1) {
      if (at + 2 >= bytes.length) continue;
      earlier[at] = latest[hashAt(at)];
      latest[hashAt(at)] = at;
    }
  }
  out.symbol(256);
  out.put(0, 7);
  return Uint8Array.from(out.bytes);
}

class BitReader {
  constructor(bytes) { this.bytes = bytes; this.at = 0; }

  bit() {
    if (this.at >= this.bytes.length * 8) throw new Error('ends early');
    const bit = (this.bytes[this.at >> 3] >> (this.at & 7)) & 1;
    this.at += 1;
    return bit;
  }

  bits(count) {
    let value = 0;
    for (let i = 0; i < count; i += 1) value |= this.bit() << i;
    return value;
  }

  /** Reads one symbol of a canonical code. */
  symbol({ counts, symbols }) {
    let code = 0;
    let first = 0;
    let index = 0;
    for (let length = 1; length < counts.length; length += 1) {
      code |= this.bit();
      if (code - first < counts[length]) return symbols[index + code - first];
      index += counts[length];
      first = (first + counts[length]) << 1;
      code <<= 1;
    }
    throw new Error('no such code');
  }
}

/** @param {number[]} lengths of the symbols' codes; 0: not used */
function canonical(lengths) {
  const counts = Array(16).fill(0);
  for (const length of lengths) counts[length] += 1;
  counts[0] = 0;
  const symbols = lengths.map((length, symbol) => ({ length, symbol })).filter((s) => s.length > 0)
    .sort((a, b) => a.length - b.length || a.symbol - b.symbol).map((s) => s.symbol);
  return { counts, symbols };
}

function dynamicCodes(input) {
  const literals = input.bits(5) + 257;
  const distances = input.bits(5) + 1;
  const ordered = Array(19).fill(0);
  for (let i = 0, count = input.bits(4) + 4; i < count; i += 1) ordered[CODE_ORDER[i]] = input.bits(3);
  const code = canonical(ordered);
  const lengths = [];
  while (lengths.length < literals + distances) {
    const symbol = input.symbol(code);
    if (symbol < 16) { lengths.push(symbol); continue; }
    if (symbol === 16 && !lengths.length) throw new Error('repeats nothing');
    const value = symbol === 16 ? lengths[lengths.length - 1] : 0;
    const count = symbol === 16 ? 3 + input.bits(2) : symbol === 17 ? 3 + input.bits(3) : 11 + input.bits(7);
    for (let i = 0; i < count; i += 1) lengths.push(value);
  }
  return [canonical(lengths.slice(0, literals)), canonical(lengths.slice(literals, literals + distances))];
}

function inflateStored(input, out, maxBytes) {
  input.at = (input.at + 7) & ~7;
  const length = input.bits(16);
  if ((input.bits(16) ^ length) !== 0xffff) throw new Error('damaged length');
  if (out.length + length > maxBytes) throw new Error('too long');
  for (let i = 0; i < length; i += 1) out.push(input.bits(8));
}

function inflateCoded(input, out, maxBytes, [literals, distances]) {
  for (;;) {
    const symbol = input.symbol(literals);
    if (symbol === 256) return;
    if (out.length + 258 > maxBytes) throw new Error('too long');
    if (symbol < 256) { out.push(symbol); continue; }
    if (symbol > 285) throw new Error('no such length');
    const length = LENGTHS[symbol - 257] + input.bits(LENGTH_BITS[symbol - 257]);
    const code = input.symbol(distances);
    const distance = code < 30 ? DISTANCES[code] + input.bits(DISTANCE_BITS[code]) : Infinity;
    if (distance > out.length) throw new Error('before the beginning');
    for (let i = 0; i < length; i += 1) out.push(out[out.length - distance]);
  }
}

/**
 * @param {Uint8Array} bytes of any DEFLATE writer
 * @param {number} maxBytes approximate limit on the size of the result
 * @returns {Uint8Array} throws Error for damaged or longer data
 */
export function inflate(bytes, maxBytes) {
  const input = new BitReader(bytes);
  const out = [];
  for (let last = 0; !last;) {
    last = input.bit();
    const kind = input.bits(2);
    if (kind === 0) inflateStored(input, out, maxBytes);
    else if (kind === 1) inflateCoded(input, out, maxBytes, [canonical(FIXED_LENGTHS), canonical(Array(30).fill(5))]);
    else if (kind === 2) inflateCoded(input, out, maxBytes, dynamicCodes(input));
    else throw new Error('no such block');
  }
  return Uint8Array.from(out);
}
