const MAX_BYTES = 30e6;

/**
 * Reads a picture that was chosen, dropped or pasted. What it is, its bytes say, not its name.
 * @param {Blob} file
 * @returns {Promise<ImageBitmap>} throws Error with a sentence for a person
 */
export async function readPicture(file) {
  const name = file.name ? `"${file.name}"` : 'This';
  if (file.size > MAX_BYTES) throw new Error(`${name} has ${Math.round(file.size / 1e6)} MB. Take a picture of at most 30 MB.`);
  const kind = kindOf(new Uint8Array(await file.slice(0, 12).arrayBuffer()));
  if (!kind) throw new Error(`${name} is no JPEG, PNG or WebP picture.`);
  try {
    return await createImageBitmap(file.slice(0, file.size, kind));
  } catch {
    throw new Error(`${name} is damaged: it cannot be read as a picture.`);
  }
}

/** @param {Uint8Array} head first bytes @returns {string} MIME type; empty for what the server does not read. */
export function kindOf(head) {
  const text = String.fromCharCode(...head);
  if (text.startsWith('\xff\xd8\xff')) return 'image/jpeg';
  if (text.startsWith('\x89PNG\r\n\x1a\n')) return 'image/png';
  return text.startsWith('RIFF') && text.slice(8) === 'WEBP' ? 'image/webp' : '';
}
