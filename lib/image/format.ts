/** First bytes, in hexadecimal, of what is given as a picture and is none that is read, and what to call it. */
const binary: readonly [start: RegExp, what: string][] = [
  [/^424d/, 'BMP'],
  [/^00000100/, 'an icon (ICO)'],
  [/^.{8}66747970(?!.*617669(66|73))(686569|686576|6d6966|6d7366)/, 'HEIC'],
  [/^.{8}66747970(?!.*617669(66|73))/, 'a video'],
  [/^(ff0a|0000000c4a584c20)/, 'JPEG XL'],
  [/^0000000c6a502020/, 'JPEG 2000'],
  [/^38425053/, 'a Photoshop file'],
  [/^44445320/, 'DDS'],
  [/^504b0304/, 'a ZIP archive'],
  [/^1f8b/, 'gzip data'],
  [/^25504446/, 'a PDF'],
];

/** The same for texts. */
const texts: readonly [start: RegExp, what: string][] = [
  [/^\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?<(!doctype html|html|head|body)\b/is, 'an HTML page'],
  [/^\s*<\?xml(?!.*<svg\b)/is, 'an XML document'],
  [/^\s*[{[]\s*["{[\]}\d]/, 'JSON'],
  [/^version https:\/\/git-lfs/, 'a Git LFS pointer, not the file it stands for'],
  [/^(?!.*<svg\b)[\t\n\r\x20-\x7e]*$/is, 'text'],
];

/** What bytes that do not decode seem to be instead, by their beginning: for errors. */
export function looksLike(bytes: Uint8Array): string | undefined {
  if (bytes.length === 0) return 'an empty file';
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 512));
  const known = binary.find(([signature]) => signature.test(start.toString('hex')));
  if (known) return known[1];
  const text = start.toString('latin1').replace(/^\xef\xbb\xbf/, '');
  return texts.find(([signature]) => signature.test(text))?.[1];
}
