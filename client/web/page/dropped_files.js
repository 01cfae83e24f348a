/** @typedef {{file: File, path: string}} NamedFile path from the dropped folder on, including its name */

// Names that programs, not people, leave in folders. base/left_behind.cc has the same list, and a
// test compares them.
const LEFT_BEHIND = ['thumbs.db', 'ehthumbs.db', 'desktop.ini', 'picasa.ini', 'icon\r', '__macosx', '@eadir', '#recycle', '$recycle.bin',
  'lost+found', 'system volume information'];
// Endings of files that are still being copied or downloaded.
const PARTIAL = /\.(part|partial|filepart|crdownload|download|tmp)$/i;
const MAX_ID_BYTES = 256;

/** @param {string} name of a file or folder @returns {boolean} whether to skip it when a folder is added */
export const isLeftBehind = (name) => name.startsWith('.') || PARTIAL.test(name) || LEFT_BEHIND.includes(name.toLowerCase());

/**
 * Lists the dropped files, including all files in dropped folders. Skips files left behind by systems,
 * unless only that one was dropped. Must be called in the event handler: later the entries are gone.
 * @param {DataTransfer} transfer
 * @returns {Promise<{files: NamedFile[], skipped: number, unreadable: string[]}>} unreadable: paths
 */
export async function filesIn(transfer) {
  const found = { files: [], skipped: 0, unreadable: [] };
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry()).filter(Boolean);
  const plain = [...transfer.files];
  const alone = (entries.length || plain.length) === 1;
  if (!entries.some((entry) => entry.isDirectory)) {
    for (const file of plain) {
      if (!alone && isLeftBehind(file.name)) found.skipped += 1;
      else found.files.push({ file, path: file.name });
    }
    return found;
  }
  for (const entry of entries) await walk(entry, '', alone, found);
  return found;
}

async function walk(entry, folder, wanted, found) {
  const path = folder + entry.name;
  if (!wanted && isLeftBehind(entry.name)) { found.skipped += 1; return; }
  try {
    if (entry.isFile) {
      found.files.push({ file: await new Promise((done, fail) => { entry.file(done, fail); }), path });
      return;
    }
    const reader = entry.createReader();
    // A folder is read in parts until an empty one.
    for (;;) {
      const part = await new Promise((done, fail) => { reader.readEntries(done, fail); });
      if (!part.length) return;
      for (const child of part) await walk(child, `${path}/`, false, found);
    }
  } catch {
    found.unreadable.push(path);
  }
}

/** @param {string} path @returns {string} the photo's id: the path without a picture's extension */
export const idOf = (path) => path.replace(/([^/])\.(jpe?g|png|webp)$/i, '$1');

/** @param {NamedFile} file @param {number} maxBytes @returns {string} the reason not to send it; empty if there is none */
export function faultOf({ file, path }, maxBytes) {
  // Browsers replace invalid UTF-8 in a name by U+FFFD; with /u, only unpaired surrogates match.
  if (/[\ud800-\udfff\ufffd]/u.test(path)) return 'has a name with characters that are not valid Unicode: rename it';
  if (/[\u0000-\u001f\u007f-\u009f]/.test(path)) return 'has control characters in its name: rename it';
  const idBytes = new TextEncoder().encode(idOf(path)).length;
  if (idBytes > MAX_ID_BYTES) return `has a name of ${idBytes} bytes including its folders; at most ${MAX_ID_BYTES} are allowed`;
  if (file.size === 0) return 'is empty';
  const mebibytes = (count) => (count / 1048576).toFixed(1).replace('.0', '');
  if (file.size > maxBytes) return `is too large: it has ${mebibytes(file.size)} MiB, the limit is ${mebibytes(maxBytes)} MiB`;
  return '';
}

/** @param {Blob} file @returns {Promise<boolean>} false if it was moved, has changed since it was chosen, or is a folder */
export const isReadable = (file) => file.slice(0, 1).arrayBuffer().then(() => true, () => false);
