import path from 'node:path';
import sharp from 'sharp';
import { fixture } from './fixtures';

/** Two pictures that options open in other ways: a JPEG of 11 megapixels, and one whose colours are Display P3's. */
export async function openingPictures(folder: string): Promise<{ photo: string; tagged: string }> {
  const photo = path.join(folder, 'photo.jpg');
  const tagged = path.join(folder, 'tagged.png');
  const source = fixture('inputs', 'photos', 'china.jpg');
  await sharp(source).resize(4096, 2731).jpeg().toFile(photo);
  await sharp(source).withIccProfile('p3').png().toFile(tagged);
  return { photo, tagged };
}
