// Scenarios of the page alone: gateway_double.mjs answers in place of the gateway.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import { draw, drop, expectText, line, requestsMade, shot, stopClock, until } from './browser.mjs';
import { refusal } from './gateway_double.mjs';

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
    photo: () => { for (let i = 0; i < 40000; i += 1) { pen.fillStyle = `hsl(${(i * 7919) % 360} 60% ${30 + ((i * 31) % 50)}%)`; pen.fillRect(i % 200, Math.floor(i / 200), 1, 1); } },
  };
  paints[source]();
  return canvas.toDataURL('image/png').split(',')[1];
}, paint);

const upload = async (page, paint) => page.setInputFiles('#upload-file', { name: `${paint}.png`, mimeType: 'image/png',
  buffer: Buffer.from(await picture(page, paint), 'base64') });

/** Waits until the page says that there is nothing to search with, and checks that it shows no photos. */
async function expectNothing(page, words = 'Draw something, and photos') {
  await expectText(page, '#search-state', words);
  assert.equal(await cards(page), 0);
}

/** Acts, and checks that the page then has nothing to search with and has not searched. */
async function expectNoSearch(page, gateway, act, words) {
  await requestsMade(page);
  const before = gateway.searches.length;
  await act();
  await expectNothing(page, words);
  await requestsMade(page);
  assert.equal(gateway.searches.length, before, 'nothing is searched with');
}

async function eraseAll(page) {
  await page.keyboard.press('e');
  await page.locator('#stroke-width').fill('40');
  for (let y = 0.02; y < 1; y += 0.12) await line(page, [[0.01, y], [0.99, y]]);
  await page.keyboard.press('p');
  await page.locator('#stroke-width').fill('8');
}

/** The visible state of a search: paper, shelf, filters, and the request to the server. */
const look = (page, gateway) => page.evaluate((search) => ({
  paper: document.getElementById('board').toDataURL(),
  photo: document.getElementById('is-photo').checked,
  topK: document.getElementById('top-k').value,
  kind: document.getElementById('modality').value,
  colour: [document.getElementById('colour').value, document.getElementById('colour-off').hidden, document.getElementById('colour-use').value],
  pills: [...document.querySelectorAll('.pill')].map((node) => node.textContent),
  chips: [...document.querySelectorAll('.chip:not([data-mode="any"])')].map((node) => `${node.dataset.attribute} ${node.dataset.mode}`),
  shelf: [...document.querySelectorAll('#shelf .example:not(.add)')].map((node) => node.className + node.textContent),
  chosen: [...document.querySelectorAll('#shelf [aria-pressed]')].map((node) => node.getAttribute('aria-pressed')),
  search: document.querySelector('#results .card') ? search : null,
}), gateway.searches.at(-1) || null).then((seen) => JSON.parse(JSON.stringify(seen, (key, value) => (
  /^(paper|image)$/.test(key) ? createHash('sha256').update(value).digest('hex').slice(0, 8) : value))));

/** Acts, reloads, and compares the visible state and the request before and after; each of `acts` on an empty page. */
async function survive(page, gateway, acts) {
  for (const act of acts) {
    gateway.searches.length = 0;
    await act();
    // A change makes the results stale immediately, even while the page pauses between two
    // searches.
    await until(page, () => !document.getElementById('results').classList.contains('stale'));
    const before = await look(page, gateway);
    gateway.searches.length = 0;
    await page.reload();
    await until(page, (wanted) => (wanted ? document.querySelector('#results .card') : document.getElementById('search-state').textContent), Boolean(before.search));
    assert.deepEqual(await look(page, gateway), before, String(act));
    await page.click('#new-search');
  }
}

export const pageScenarios = {
  async erasedDrawingIsNoQuery(page, gateway) {
    await line(page, LINE);
    await found(page);
    await eraseAll(page);
    await expectNothing(page);
    assert.ok(await page.isVisible('#paper-hint'));
    assert.ok(await page.isDisabled('#clear'));
    assert.equal(new URL(page.url()).hash, '');
    await shot(page, 'erased');
    await expectNoSearch(page, gateway, () => page.reload());
    gateway.searches.length = 0;
    await line(page, LINE);
    await found(page);
    assert.equal(gateway.searches.length, 1);
  },

  async nothingToSeeIsNoQuery(page, gateway) {
    await line(page, [[0.5, 0.5], [0.5, 0.5]]);
    await expectNothing(page, 'too little to search with');
    await page.click('#undo');
    await expectNothing(page);
    const box = await page.locator('#board').boundingBox();
    await page.mouse.move(box.x + 2, box.y + 200);
    await page.mouse.down();
    await page.mouse.move(box.x - 200, box.y + 100, { steps: 5 });
    await page.mouse.up();
    await page.click('#clear');
    await expectNothing(page);
    gateway.searches.length = 0;
    await page.fill('#top-k', '7');
    await page.locator('#top-k').blur();
    await expectNothing(page);
    await line(page, LINE);
    await found(page);
    assert.equal(gateway.searches.length, 1);
    await expectNoSearch(page, gateway, () => page.click('#undo'));
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

  async resultsAreStaleOnceTheQueryHasChanged(page, gateway) {
    await stopClock(page);
    await line(page, LINE);
    await found(page);
    await line(page, [[0.2, 0.2], [0.8, 0.2]]);
    assert.ok(await page.evaluate(() => document.getElementById('results').classList.contains('stale')));
    assert.equal(gateway.searches.length, 1);
    await page.clock.runFor(100);
    await until(page, () => !document.getElementById('results').classList.contains('stale'));
    assert.equal(gateway.searches.length, 2);
  },

  async laterChangeCancelsALinkThatIsBeingOpened(page) {
    await draw(page, 'cross');
    await found(page);
    const link = new URL(page.url()).hash;
    await page.click('#new-search');
    const empty = await page.evaluate(() => document.getElementById('board').toDataURL());
    await page.evaluate((hash) => {
      history.replaceState(null, '', `/${hash}`);
      dispatchEvent(new HashChangeEvent('hashchange'));
      history.replaceState(null, '', '/');
      dispatchEvent(new HashChangeEvent('hashchange'));
    }, link);
    await page.evaluate(() => new Promise((done) => { setTimeout(done); }));
    assert.equal(await page.evaluate(() => document.getElementById('board').toDataURL()), empty);
  },

  async removedExampleIsNoQuery(page, gateway) {
    await line(page, LINE);
    await page.click('[aria-label="More like boot"]');
    await page.click('#clear');
    await found(page);
    await expectNoSearch(page, gateway, () => page.click('[aria-label="Remove boot"]'));
    await line(page, LINE);
    await page.click('[aria-label="Not like boot"]');
    await found(page);
    await until(page, () => !document.getElementById('results').classList.contains('stale'));
    await expectNoSearch(page, gateway, () => page.click('#clear'), '"Not like" alone is not enough to search.');
  },

  async blankPicturesAreSaidToBeBlank(page, gateway) {
    for (const paint of ['white', 'black', 'transparent', 'white on transparent']) {
      await expectNoSearch(page, gateway, async () => {
        await upload(page, paint);
        await expectText(page, '.note.bad', `"${paint}.png" is blank`);
      });
    }
    for (const paint of ['black on transparent', 'faint pencil']) {
      await upload(page, paint);
      await found(page);
      await page.click('#new-search');
    }
  },

  async reloadShowsDrawings(page, gateway) {
    await survive(page, gateway, [
      async () => { await draw(page, 'boot'); },
      async () => { await draw(page, 'boot'); await page.keyboard.press('e'); await line(page, [[0.1, 0.85], [0.9, 0.85]]); },
      async () => { await line(page, LINE); await eraseAll(page); },
      async () => { await draw(page, 'bars'); await page.click('#mirror'); await page.click('#undo'); await page.click('#undo'); await page.click('#redo'); },
      async () => { await draw(page, 'boot'); await page.click('#mirror'); await line(page, LINE); },
    ]);
  },

  async reloadShowsPicturesAndExamples(page, gateway) {
    await survive(page, gateway, [
      async () => { await upload(page, 'black on transparent'); await found(page); },
      async () => { await upload(page, 'faint pencil'); await found(page); await line(page, LINE); },
      async () => { await draw(page, 'cross'); await page.check('#is-photo'); },
      async () => { await draw(page, 'cross'); await page.click('[aria-label="More like boot"]'); await page.click('[aria-label="Not like bars"]'); },
      async () => { await draw(page, 'cross'); await page.click('[aria-label="More like boot"]'); await page.click('#clear'); await found(page); },
    ]);
  },

  async reloadShowsFilters(page, gateway) {
    await survive(page, gateway, [
      async () => { await draw(page, 'cross'); await page.click('#results .tag'); await page.selectOption('#modality', 'MODALITY_PHOTO'); },
      async () => { await page.fill('#filter-key', 'größe'); await page.fill('#filter-value', '4 "2" & 😀'); await page.click('#filter-add'); },
      async () => { await draw(page, 'cross'); await page.click('#attributes .chip'); await page.click('#attributes .chip'); },
      async () => { await draw(page, 'cross'); await page.fill('#top-k', '3'); await page.locator('#top-k').blur(); },
      async () => { await draw(page, 'cross'); await page.click('#add-sketch'); await draw(page, 'boot'); await page.click('[aria-label="Sketch 1"]'); },
    ]);
  },

  async reloadShowsTheColour(page, gateway) {
    await survive(page, gateway, [
      async () => { await draw(page, 'cross'); await page.fill('#colour', '#2f4b9c'); },
      async () => { await draw(page, 'cross'); await page.fill('#colour', '#2f4b9c'); await page.selectOption('#colour-use', 'only'); },
      async () => { await draw(page, 'cross'); await page.fill('#colour', '#2f4b9c'); await page.click('#colour-off'); },
    ]);
  },

  async colourRanksOrFilters(page, gateway) {
    await draw(page, 'cross');
    await found(page);
    const last = () => { const { colorPreferences, filter } = gateway.searches[gateway.searches.length - 1]; return { colorPreferences, filter }; };
    const then = async (act) => {
      const count = gateway.searches.length;
      await act();
      await until(page, () => !document.getElementById('results').classList.contains('stale'));
      await requestsMade(page);
      // The second stroke may have been searched for on its own.
      assert.ok(gateway.searches.length > count);
      return last();
    };
    assert.deepEqual(last(), { colorPreferences: undefined, filter: {} });
    assert.ok(await page.isHidden('#colour-off'));
    const rgb = '#2f4b9c';
    const blue = { color: { rgb } };
    assert.deepEqual(await then(() => page.fill('#colour', rgb)), { colorPreferences: [blue], filter: {} });
    await shot(page, 'colour');
    assert.deepEqual(await then(() => page.selectOption('#colour-use', 'only')), { colorPreferences: [blue], filter: { colors: [blue] } });
    await page.focus('#colour-use');
    await page.keyboard.press('Tab');
    assert.deepEqual(await then(() => page.keyboard.press('Enter')), { colorPreferences: undefined, filter: {} });
    assert.equal(await page.evaluate(() => document.activeElement.id), 'colour');
    assert.ok(await page.isHidden('#colour-use'));
  },

  async colourAloneIsNoQuery(page, gateway) {
    await expectNoSearch(page, gateway, () => page.fill('#colour', '#2f4b9c'));
    assert.notEqual(new URL(page.url()).hash, '');
  },

  async onlyAColourThatNothingHasCanBeTakenBack(page, gateway) {
    gateway.on['POST /api/search'] = (url, request) => (request.postDataJSON().filter.colors
      ? { modelVersion: '1', queryAttributes: [], matches: [] } : gateway.found());
    await draw(page, 'cross');
    await page.fill('#colour', '#2f4b9c');
    await page.selectOption('#colour-use', 'only');
    await expectText(page, '#search-state', 'No photo matches the filters.');
    await page.click('#search-state button');
    await until(page, () => document.querySelectorAll('#results .card').length === 3);
    assert.equal(await page.inputValue('#colour'), '#2f4b9c');
  },

  async detailsSayWhatTheColourAdded(page, gateway) {
    gateway.on['POST /api/search'] = () => {
      const response = gateway.found();
      response.matches[0].colorScore = 0.25;
      return response;
    };
    await draw(page, 'cross');
    await page.click('#results .card-open');
    await expectText(page, '#detail .facts', 'Added for its colour0.2500');
    await page.keyboard.press('ArrowRight');
    await expectText(page, '#detail-title', 'cross');
    assert.ok(!(await page.textContent('#detail .facts')).includes('colour'));
  },

  async linkWithAnImpossibleColourHasNone(page) {
    const search = { v: 1, d: [], l: [], m: [['a', 'b']], a: [], o: '', k: 24, c: 0, h: 'red;}', u: true };
    const fragment = deflateRawSync(JSON.stringify(search)).toString('base64url');
    await page.evaluate((link) => { location.hash = `#q=${link}`; }, fragment);
    await expectText(page, '.pill', 'a = b');
    assert.ok(await page.isHidden('#colour-off'));
  },

  async reloadShowsWhereTheReaderWent(page, gateway) {
    await survive(page, gateway, [
      async () => { await draw(page, 'cross'); await page.click('#results .card-open'); await page.keyboard.press('Escape'); },
      async () => { await draw(page, 'cross'); await page.click('#new-search'); },
      async () => { await draw(page, 'cross'); await page.locator('#skip-link').focus(); await page.keyboard.press('Enter'); },
      async () => { await draw(page, 'cross'); await page.click('[data-view="operator"]'); await page.click('[data-view="search"]'); },
      async () => { await draw(page, 'cross'); await page.click('[data-view="operator"]'); await page.goBack(); },
    ]);
  },

  async addressOfALongSearchIsNotThatOfAnother(page, gateway) {
    await draw(page, 'cross');
    await until(page, () => location.hash.length > 10);
    await upload(page, 'photo');
    await found(page);
    const before = await page.evaluate(() => document.getElementById('board').toDataURL());
    await page.reload();
    await found(page);
    const difference = await page.evaluate(async (was) => {
      const data = async (url) => {
        const image = new Image();
        image.src = url;
        await image.decode();
        const canvas = document.createElement('canvas');
        canvas.width = canvas.height = 64;
        canvas.getContext('2d').drawImage(image, 0, 0, 64, 64);
        return canvas.getContext('2d').getImageData(0, 0, 64, 64).data;
      };
      const [a, b] = [await data(was), await data(document.getElementById('board').toDataURL())];
      return a.reduce((sum, v, i) => sum + Math.abs(v - b[i]), 0) / a.length;
    }, before);
    assert.ok(difference < 12, `the paper differs by ${difference}`);
  },

  async backAndForwardShowWhatTheAddressSays(page, gateway, context) {
    await draw(page, 'cross');
    await found(page);
    const cross = page.url();
    await page.click('#new-search');
    await draw(page, 'bars');
    await found(page);
    const bars = page.url();
    const other = await context.newPage();
    await other.goto(cross);
    await found(other);
    const paper = () => other.evaluate(() => document.getElementById('board').toDataURL());
    const crossPaper = await paper();
    await other.evaluate((link) => { location.href = link; }, bars);
    await until(other, (was) => document.getElementById('board').toDataURL() !== was, crossPaper);
    await other.goBack();
    await until(other, (was) => document.getElementById('board').toDataURL() === was, crossPaper);
    await other.click('[data-view="operator"]');
    await other.click('#tab-model');
    assert.equal(new URL(other.url()).hash, '#model');
    await other.reload();
    await until(other, () => document.querySelector('#tab-model[aria-selected="true"]'));
    await other.goBack();
    await until(other, (was) => document.getElementById('board').toDataURL() === was, crossPaper);
    await other.evaluate(() => { location.hash = ''; });
    await expectText(other, '#search-state', 'Draw something');
  },

  async damagedLinkKeepsTheDrawing(page, gateway) {
    await draw(page, 'cross');
    await found(page);
    const link = page.url();
    await page.evaluate(() => { location.hash = '#q=broken'; });
    await expectText(page, '.note.bad', 'link is damaged');
    assert.equal(page.url(), link);
  },
};

/** Removes the features that browsers of 2021 (Chrome 92, Firefox 90, Safari 14.1) lack, and those unavailable over plain HTTP beyond localhost. */
function takeAway() {
  for (const name of ['CompressionStream', 'DecompressionStream', 'structuredClone', 'createImageBitmap', 'OffscreenCanvas', 'CloseWatcher',
    'navigation', 'scheduler', 'reportError']) delete globalThis[name];
  const lacks = [[AbortSignal, ['timeout', 'any', 'abort']], [AbortSignal.prototype, ['reason', 'throwIfAborted']],
    [HTMLDialogElement.prototype, ['showModal', 'show', 'close', 'open', 'returnValue', 'requestClose']], [Object, ['hasOwn', 'groupBy']],
    [Array, ['fromAsync']], [Array.prototype, ['at', 'findLast', 'findLastIndex', 'toSorted', 'toReversed', 'toSpliced', 'with']],
    [Map, ['groupBy']], [Promise, ['withResolvers', 'try']], [String.prototype, ['at', 'isWellFormed', 'toWellFormed']],
    [Element.prototype, ['checkVisibility', 'setHTMLUnsafe']], [URL, ['canParse', 'parse']], [crypto, ['randomUUID']],
    [Crypto.prototype, ['randomUUID']], [Navigator.prototype, ['clipboard']], [HTMLElement.prototype, ['inert', 'showPopover']],
    [HTMLInputElement.prototype, ['showPicker']], [CanvasRenderingContext2D.prototype, ['roundRect', 'reset']], [Blob.prototype, ['bytes']],
    [Response.prototype, ['bytes']], [Uint8Array.prototype, ['toBase64', 'toHex']], [Uint8Array, ['fromBase64']]];
  for (const [holder, names] of lacks) for (const name of names) delete holder[name];
}

Object.assign(pageScenarios, {
  async browserOf2021(page, gateway, context) {
    await context.addInitScript(takeAway);
    await page.reload();
    assert.equal(await page.evaluate(() => typeof CompressionStream + typeof AbortSignal.timeout + typeof HTMLDialogElement.prototype.showModal
      + typeof navigator.clipboard), 'undefinedundefinedundefinedundefined');
    await draw(page, 'cross');
    await found(page);
    const link = page.url();
    await page.click('#share');
    await expectText(page, '.note', 'The link was copied.');
    await page.focus('#filter-value');
    await page.keyboard.press('Control+V');
    assert.equal(await page.inputValue('#filter-value'), link);
    await page.fill('#filter-value', '');
    await page.reload();
    await found(page);
    await upload(page, 'black on transparent');
    await until(page, () => !document.getElementById('results').classList.contains('stale'));
    await page.reload();
    await found(page);
  },

  async dialogsOf2021(page, gateway, context) {
    await context.addInitScript(takeAway);
    await page.reload();
    assert.equal(await page.isVisible('#help'), false);
    await page.click('#help-open');
    assert.ok(await page.isVisible('#help'));
    await shot(page, 'help_2021');
    await page.keyboard.press('Tab');
    assert.ok(await page.evaluate(() => document.getElementById('help').contains(document.activeElement)));
    await page.keyboard.press('Escape');
    assert.equal(await page.isVisible('#help'), false);
    await draw(page, 'cross');
    await page.click('.card-open');
    await expectText(page, '#detail-title', 'boot');
    await page.keyboard.press('ArrowRight');
    await expectText(page, '#detail-title', 'cross');
    await page.click('#detail-close');
    await page.click('[data-view="operator"]');
    let deleted = null;
    gateway.on['POST /api/photos/delete'] = (url, request) => { deleted = request.postDataJSON().photoIds; return { deletedCount: 1 }; };
    await page.check('[aria-label="Select boot"]');
    await page.click('#delete-chosen');
    await page.click('#question button[value="no"]');
    assert.equal(await page.isVisible('#question'), false);
    assert.equal(deleted, null);
    await page.click('#delete-chosen');
    await page.click('#question button[value="yes"]');
    await expectText(page, '.note', '1 deleted');
    assert.deepEqual(deleted, ['boot']);
  },

  // Links as older pages wrote them, when the browser did the compression.
  async olderLinkIsRead(page) {
    const json = { v: 1, d: [{ photo: 1, steps: [{ k: 'p', w: 12, d: [100, 300, 100, 500, 300, 80] }, { k: 'm' }] }], l: [['boot', 1]], m: [['kind', 'shoe']],
      a: [['high_heel', 'without']], o: '', k: 12 };
    const link = `q=${deflateRawSync(JSON.stringify(json)).toString('base64url')}`;
    await page.evaluate((fragment) => { location.hash = fragment; }, link);
    await found(page);
    assert.equal(await page.inputValue('#top-k'), '12');
    assert.ok(await page.isChecked('#is-photo'));
    await expectText(page, '.pill', 'kind = shoe');
    assert.equal(await page.getAttribute('[data-attribute="high_heel"]', 'data-mode'), 'without');
    assert.ok(await page.isVisible('.example.more'));
  },
});
