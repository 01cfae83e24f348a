// Shared by the scenarios: a browser, the paper, the gallery.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { chromium } from 'playwright-core';

// Nothing here times out: a machine may be slow, and the test runner's limit ends a hanging test. A
// wait regularly prints what it waits for, so that this is known when the runner ends it.
const NEWS_MS = 20000;

/** Shapes that even a barely trained model distinguishes, as fractions of the paper's side. */
export const SHAPES = {
  boot: [[[0.2, 0.1], [0.2, 0.85], [0.85, 0.85], [0.85, 0.65], [0.45, 0.6], [0.45, 0.1], [0.2, 0.1]]],
  cross: [[[0.1, 0.1], [0.9, 0.9]], [[0.9, 0.1], [0.1, 0.9]]],
  bars: [[[0.1, 0.2], [0.9, 0.2]], [[0.1, 0.4], [0.9, 0.4]], [[0.1, 0.6], [0.9, 0.6]], [[0.1, 0.8], [0.9, 0.8]]],
};

// Started by the first scenario, since that takes longer than most scenarios.
let browser = null;

/** Closes the browser that the scenarios of this process share. */
export async function closeBrowser() {
  if (browser) await browser.close();
  browser = null;
}

/**
 * Runs `scenario` on a fresh page in its own context; fails if the page logs an error. `prepare` gets the context before the page
 * opens.
 */
export async function withPage(url, { prepare = async () => {}, ...options }, scenario) {
  browser ??= await chromium.launch({ executablePath: process.env.S2P_CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox'], timeout: 0 });
  let context = null;
  try {
    context = await browser.newContext({ viewport: { width: 1280, height: 860 }, acceptDownloads: true, ...options });
    context.setDefaultTimeout(0);
    await prepare(context);
    const page = await context.newPage();
    const errors = [];
    page.on('pageerror', (error) => errors.push(error.message));
    // Failed requests are expected, since the page reports them. All other messages are errors.
    page.on('console', (message) => {
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) errors.push(message.text());
    });
    await page.goto(url);
    await scenario(page, context);
    assert.deepEqual(errors, []);
  } finally {
    if (context) await context.close();
  }
}

/** Draws one line with the mouse. */
export async function line(page, points) {
  const box = await page.locator('#board').boundingBox();
  const at = ([x, y]) => [box.x + box.width * x, box.y + box.height * y];
  await page.mouse.move(...at(points[0]));
  await page.mouse.down();
  for (const point of points.slice(1)) await page.mouse.move(...at(point), { steps: 6 });
  await page.mouse.up();
}

/** @param {string} name of SHAPES */
export async function draw(page, name) {
  for (const points of SHAPES[name]) await line(page, points);
}

/**
 * Adds the drawings of `draw` to the gallery, each shape under its name, as sketches; clears the paper afterwards.
 * @returns {Promise<Object<string, string>>} base64 of the PNG by name
 */
export async function addShapes(page) {
  const pictures = {};
  for (const name of Object.keys(SHAPES)) {
    await draw(page, name);
    const [status, picture] = await page.evaluate(async (photoId) => {
      const board = document.getElementById('board');
      const blob = await new Promise((done) => { board.toBlob(done, 'image/png'); });
      const request = JSON.stringify({ photoId, modality: 'MODALITY_SKETCH', metadata: { shape: photoId }, onConflict: 'ON_CONFLICT_REPLACE' });
      const answer = await fetch(`/api/photo?request=${encodeURIComponent(request)}`, { method: 'PUT', body: blob });
      return [answer.status, board.toDataURL('image/png').split(',')[1]];
    }, name);
    assert.equal(status, 200);
    pictures[name] = picture;
    await page.click('#clear');
  }
  await page.click('#new-search');
  return pictures;
}

/** Waits until `condition` holds in the page. (Playwright's own way needs eval, which the page forbids.) */
export async function until(page, condition, argument) {
  await reported(page, `${condition} with ${argument}`, async () => {
    while (!await page.evaluate(condition, argument)) await page.waitForTimeout(20);
  });
}

/** Waits as `wait` does, and prints a message if that takes long. */
async function reported(page, wanted, wait) {
  const news = setInterval(async () => {
    const seen = await page.textContent('body').catch(() => '');
    console.log(`still waiting for ${wanted}; the page says: ${seen.replace(/\s+/g, ' ').slice(0, 600)}`);
  }, NEWS_MS);
  try { return await wait(); } finally { clearInterval(news); }
}

/** Stops the page's clock until a scenario advances it. */
export async function stopClock(page) {
  await page.clock.install();
  await page.clock.pauseAt(Date.now() + 60000);
}

/** Waits until the page has sent all requests that do not wait for a timer, such as searches. */
export const requestsMade = (page) => page.evaluate(async () => {
  // A search packs its pictures before it is sent.
  for (let i = 0; i < 3; i += 1) await new Promise((done) => { document.getElementById('board').toBlob(done); });
  await fetch('/api/model');
});

/** Waits until the photo is the first of the results. */
export async function expectFirst(page, id) {
  await until(page, (wanted) => {
    const first = document.querySelector('#results .card');
    return first && first.dataset.photo === wanted && !document.getElementById('results').classList.contains('stale');
  }, id);
}

export const expectText = (page, selector, text) => reported(page, `"${text}" in ${selector}`,
  () => page.locator(selector, { hasText: text }).first().waitFor());

/** Waits until all animations on the page have ended. */
export const settled = (page) => page.evaluate(async () => {
  await new Promise((drawn) => { requestAnimationFrame(() => requestAnimationFrame(drawn)); });
  const ending = document.getAnimations().filter((animation) => animation.effect.getTiming().iterations !== Infinity);
  await Promise.allSettled(ending.map((animation) => animation.finished));
});

export const photoFiles = () => readdirSync(process.env.S2P_PHOTOS).sort().map((name) => `${process.env.S2P_PHOTOS}/${name}`);
export const idOf = (path) => path.split('/').pop().replace(/\.\w+$/, '');
export const fileOf = (path, name = path.split('/').pop()) => ({ name, bytes: readFileSync(path).toString('base64') });

/** Drops files: each has base64 `bytes` or `size` zeros, and is repeated `count` times. */
export async function drop(page, selector, files) {
  const transfer = await page.evaluateHandle((list) => {
    const data = new DataTransfer();
    for (const { name, bytes, count = 1, size } of list) {
      for (let i = 0; i < count; i += 1) {
        const content = size ? new Uint8Array(size) : Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
        data.items.add(new File([content], count > 1 ? name.replace('.', `${i}.`) : name));
      }
    }
    return data;
  }, files);
  await page.dispatchEvent(selector, 'drop', { dataTransfer: transfer });
}

/** Saves a screenshot if S2P_SHOTS names a folder. */
export async function shot(page, name) {
  if (process.env.S2P_SHOTS) await page.screenshot({ path: `${process.env.S2P_SHOTS}/${name}.png` });
}
