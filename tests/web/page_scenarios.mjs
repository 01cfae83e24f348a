// What the page does by itself, whatever the gateway says: gateway_double.mjs answers.
import assert from 'node:assert/strict';
import { expectText, line, shot, until } from './browser.mjs';

const LINE = [[0.2, 0.5], [0.8, 0.5]];

const found = (page) => expectText(page, '#search-status', 'photos in');
const cards = (page) => page.locator('#results .card').count();

/** The bytes of a PNG that a function paints. */
const picture = (page, paint) => page.evaluate(async (source) => {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 200;
  const pen = canvas.getContext('2d');
  const paints = {
    white: () => { pen.fillStyle = '#fff'; pen.fillRect(0, 0, 200, 200); },
    black: () => { pen.fillStyle = '#000'; pen.fillRect(0, 0, 200, 200); },
    transparent: () => {},
    'white on transparent': () => { pen.strokeStyle = '#fff'; pen.lineWidth = 9; pen.strokeRect(40, 40, 120, 120); },
    'black on transparent': () => { pen.lineWidth = 9; pen.strokeRect(40, 40, 120, 120); },
    'faint pencil': () => { pen.fillStyle = '#fff'; pen.fillRect(0, 0, 200, 200); pen.strokeStyle = '#dcdcdc'; pen.strokeRect(40, 40, 120, 120); },
  };
  paints[source]();
  return canvas.toDataURL('image/png').split(',')[1];
}, paint);

const upload = async (page, paint) => page.setInputFiles('#upload-file', { name: `${paint}.png`, mimeType: 'image/png',
  buffer: Buffer.from(await picture(page, paint), 'base64') });

/** Waits until the page says that there is nothing to search by, and checks that nothing is shown or asked for. */
async function expectNothing(page, gateway, words = 'Draw something, and the photos') {
  await expectText(page, '#search-state', words);
  const asked = gateway.searches.length;
  assert.equal(await cards(page), 0);
  await page.evaluate(() => fetch('/api/model'));
  assert.equal(gateway.searches.length, asked, 'nothing is searched with');
}

async function eraseAll(page) {
  await page.keyboard.press('e');
  await page.locator('#stroke-width').fill('40');
  for (let y = 0.02; y < 1; y += 0.12) await line(page, [[0.01, y], [0.99, y]]);
  await page.keyboard.press('p');
  await page.locator('#stroke-width').fill('8');
}

export const pageScenarios = {
  async erasedDrawingIsNoQuery(page, gateway) {
    await line(page, LINE);
    await found(page);
    await eraseAll(page);
    await expectNothing(page, gateway);
    assert.ok(await page.isVisible('#paper-hint'));
    assert.ok(await page.isDisabled('#clear'));
    await shot(page, 'erased');
    await page.reload();
    await expectNothing(page, gateway);
    await line(page, LINE);
    await found(page);
  },

  async nothingToSeeIsNoQuery(page, gateway) {
    await line(page, [[0.5, 0.5], [0.5, 0.5]]);
    await expectNothing(page, gateway, 'too little to search by');
    await page.click('#undo');
    await expectNothing(page, gateway);
    const box = await page.locator('#board').boundingBox();
    await page.mouse.move(box.x + 2, box.y + 200);
    await page.mouse.down();
    await page.mouse.move(box.x - 200, box.y + 100, { steps: 5 });
    await page.mouse.up();
    await page.click('#clear');
    await expectNothing(page, gateway);
    await page.fill('#top-k', '7');
    await page.locator('#top-k').blur();
    await expectNothing(page, gateway);
    await line(page, LINE);
    await found(page);
    await page.click('#undo');
    await expectNothing(page, gateway);
  },

  async erasedPartIsSearchedWithTheRest(page, gateway) {
    await line(page, LINE);
    await line(page, [[0.2, 0.2], [0.8, 0.2]]);
    await found(page);
    await page.keyboard.press('e');
    await page.locator('#stroke-width').fill('20');
    const before = gateway.searches.length;
    await line(page, [[0.1, 0.5], [0.9, 0.5]]);
    await until(page, () => !document.getElementById('results').classList.contains('stale'));
    assert.ok(gateway.searches.length > before);
    assert.equal(await cards(page), 3);
  },

  async removedExampleIsNoQuery(page, gateway) {
    await line(page, LINE);
    await page.click('[aria-label="More like boot"]');
    await page.click('#clear');
    await found(page);
    await page.click('[aria-label="Without boot"]');
    await expectNothing(page, gateway);
    await line(page, LINE);
    await page.click('[aria-label="Not like boot"]');
    await page.click('#clear');
    await expectNothing(page, gateway, 'what it is not like is too little');
  },

  async blankPicturesAreSaidToBeBlank(page, gateway) {
    for (const paint of ['white', 'black', 'transparent', 'white on transparent']) {
      await upload(page, paint);
      await expectText(page, '.note.bad', `"${paint}.png" is blank`);
      await expectNothing(page, gateway);
    }
    for (const paint of ['black on transparent', 'faint pencil']) {
      await upload(page, paint);
      await found(page);
      await page.click('#new-search');
    }
  },
};
