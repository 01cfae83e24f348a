const MAX_BYTES = 30e6;
// Side of the copy on which single-colour pictures are recognised; a thin line of a large scan
// still shows.
const LOOK_SIDE = 320;
const ONE_COLOUR = 8;

/**
 * Reads a picture that was chosen, dropped or pasted. Its bytes decide the format, not its name.
 * @param {Blob} file
 * @returns {Promise<ImageBitmap|HTMLImageElement>} throws Error with a sentence for a person
 */
export async function readPicture(file) {
  const name = file.name ? `"${file.name}"` : 'This';
  if (file.size > MAX_BYTES) throw new Error(`${name} has ${Math.round(file.size / 1e6)} MB. Use a picture of at most 30 MB.`);
  const head = await headOf(file);
  if (!head) throw new Error(`${name} cannot be read: it was moved, or it is a folder.`);
  const kind = kindOf(head);
  if (!kind) {
    const other = otherKind(head);
    throw new Error(other ? `${name} has the format ${other}. Save it as JPEG, PNG or WebP.` : `${name} is not a JPEG, PNG or WebP picture.`);
  }
  const picture = await pictureFrom(file.slice(0, file.size, kind)).catch(() => null);
  if (!picture) throw new Error(`${name} is damaged: it cannot be read as a picture.`);
  if (isOneColour(picture)) throw new Error(`${name} is blank: it has only one colour, so there is nothing to search with.`);
  return picture;
}

/** @param {Blob} blob @returns {Promise<ImageBitmap|HTMLImageElement>} rejected for formats that the browser does not read */
export async function pictureFrom(blob) {
  if (typeof createImageBitmap === 'function') return createImageBitmap(blob);
  // Safari before 15.
  const image = new Image();
  image.src = URL.createObjectURL(blob);
  try {
    await image.decode();
    return image;
  } finally {
    URL.revokeObjectURL(image.src);
  }
}

/** @param {Blob} file @returns {Promise<Uint8Array|null>} its first bytes; null if it cannot be read */
async function headOf(file) {
  try { return new Uint8Array(await file.slice(0, 12).arrayBuffer()); } catch { return null; }
}

/** @param {Uint8Array} head first bytes @returns {string} MIME type; empty for formats that the server does not read. */
function kindOf(head) {
  const text = String.fromCharCode(...head);
  if (text.startsWith('\xff\xd8\xff')) return 'image/jpeg';
  if (text.startsWith('\x89PNG\r\n\x1a\n')) return 'image/png';
  return text.startsWith('RIFF') && text.slice(8) === 'WEBP' ? 'image/webp' : '';
}

/** @param {Uint8Array} head first bytes @returns {string} the name of a common unsupported format; empty if unknown */
function otherKind(head) {
  const text = String.fromCharCode(...head);
  if (text.slice(4, 8) === 'ftyp') {
    if (/^(heic|heix|heim|heis|hevc|mif1|msf1)/.test(text.slice(8))) return 'HEIC';
    return /^avi[fs]/.test(text.slice(8)) ? 'AVIF' : 'MP4';
  }
  const kinds = [['GIF8', 'GIF'], ['BM', 'BMP'], ['II*\0', 'TIFF'], ['MM\0*', 'TIFF'], ['%PDF', 'PDF'], ['<svg', 'SVG'], ['\0\0\x01\0', 'ICO'],
    ['\xff\x0a', 'JPEG XL'], ['\0\0\0\x0cJXL ', 'JPEG XL'], ['8BPS', 'Photoshop']];
  const found = kinds.find(([magic]) => text.startsWith(magic));
  return found ? found[1] : '';
}

/** @returns {boolean} whether it has only one colour on white paper, so that nothing can be seen */
function isOneColour(picture) {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = LOOK_SIDE;
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  pen.fillStyle = '#fff';
  pen.fillRect(0, 0, LOOK_SIDE, LOOK_SIDE);
  pen.imageSmoothingQuality = 'high';
  pen.drawImage(picture, 0, 0, LOOK_SIDE, LOOK_SIDE);
  const { data } = pen.getImageData(0, 0, LOOK_SIDE, LOOK_SIDE);
  for (let i = 0; i < data.length; i += 1) if (Math.abs(data[i] - data[i % 4]) > ONE_COLOUR) return false;
  return true;
}
