// usage: trace_sketches.mjs URL DATASET COUNT     draws held-out sketches of a data set with the mouse
//
// For a properly trained model, such as tools/demo.sh's: traces each sketch with pointer events,
// and prints the rank of its own photo and the time from the last lift of the pen to the result.
// Fails if fewer than half rank among the first five.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { closeBrowser, expectText, shot, until, withPage } from './browser.mjs';

const [url, dataset, count] = process.argv.slice(2);
const images = readFileSync(`${dataset}/dataset.jsonl`, 'utf8').trim().split('\n').map((text) => JSON.parse(text));
const sketches = images.filter((image) => image.split === 'test' && image.modality === 'sketch').slice(0, Number(count));

// Horizontal runs of dark pixels, as fractions of the side.
async function runsOf(page, path) {
  const bytes = readFileSync(path).toString('base64');
  return page.evaluate(async (base64) => {
    const picture = await createImageBitmap(new Blob([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))]));
    const { width, height } = picture;
    const canvas = new OffscreenCanvas(width, height);
    const pen = canvas.getContext('2d');
    pen.drawImage(picture, 0, 0);
    const { data } = pen.getImageData(0, 0, width, height);
    const runs = [];
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        const begin = x;
        while (x < width && data[(y * width + x) * 4] < 128) x += 1;
        if (x > begin) runs.push([[begin / width, (y + 0.5) / height], [x / width, (y + 0.5) / height]]);
      }
    }
    return runs;
  }, bytes);
}

await withPage(url, {}, async (page) => {
  const ranks = [];
  const times = [];
  await page.locator('#stroke-width').fill('5');
  for (const sketch of sketches) {
    const box = await page.locator('#board').boundingBox();
    for (const [from, to] of await runsOf(page, `${dataset}/${sketch.path}`)) {
      await page.mouse.move(box.x + box.width * from[0], box.y + box.height * from[1]);
      await page.mouse.down();
      await page.mouse.move(box.x + box.width * to[0], box.y + box.height * to[1]);
      await page.mouse.up();
    }
    await until(page, () => document.querySelector('#results .card') && !document.getElementById('results').classList.contains('stale'));
    const found = await page.$$eval('#results .card', (cards) => cards.map((card) => card.dataset.photo));
    // A photo's id is its file's name, which here is the identity.
    ranks.push(found.indexOf(sketch.identity) + 1);
    console.log(`${sketch.path}: rank ${ranks.at(-1) || 'beyond those shown'}, ${await page.textContent('#search-status')}`);
    times.push(Number((await page.textContent('#search-status')).match(/(\d+) ms/)[1]));
    await shot(page, `traced_${ranks.length}`);
    await page.click('#new-search');
    await expectText(page, '#search-state', 'Draw something');
  }
  times.sort((a, b) => a - b);
  const at = (share) => times[Math.min(times.length - 1, Math.floor(share * times.length))];
  console.log(`${times.length} sketches: first result after ${at(0.5)} ms (median), ${at(0.95)} ms (p95)`);
  assert.ok(ranks.filter((rank) => rank >= 1 && rank <= 5).length * 2 >= ranks.length);
});
await closeBrowser();
