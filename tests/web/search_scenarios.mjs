// Scenarios of people who search. They share a server, and find its gallery as it was.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { audit } from './accessibility.mjs';
import { addShapes, draw, drop, expectFirst, expectText, line, photoFiles, settled, shot, until } from './browser.mjs';

const results = (page) => page.$$eval('#results .card', (cards) => cards.map((card) => card.dataset.photo));

export const searchScenarios = {
  async drawing(page) {
    await addShapes(page);
    await shot(page, 'empty');
    await draw(page, 'boot');
    await expectFirst(page, 'boot');
    assert.match(await page.textContent('#search-status'), /photos in \d+ ms, model 1/);
    await shot(page, 'found');
    for (let i = 0; i < 3; i += 1) await line(page, [[0.05, 0.1 + i * 0.3], [0.95, 0.2 + i * 0.3]]);
    const withLines = await page.textContent('#results .card .muted');
    for (let i = 0; i < 3; i += 1) await page.click('#undo');
    await expectFirst(page, 'boot');
    await until(page, (was) => document.querySelector('#results .card .muted').textContent !== was, withLines);
    assert.ok(Number(await page.textContent('#results .card .muted')) > 0.99);
    await page.click('#redo');
    await page.click('#undo');
    await expectFirst(page, 'boot');
    const drawn = await page.textContent('#results .card .muted');
    await page.click('#mirror');
    await until(page, (was) => document.querySelector('#results .card .muted').textContent !== was, drawn);
    await page.click('#clear');
    await expectText(page, '#search-state', 'Draw something');
    assert.deepEqual(await results(page), []);
  },

  async eraser(page) {
    await addShapes(page);
    await draw(page, 'cross');
    await expectFirst(page, 'cross');
    await page.click('#new-search');
    await draw(page, 'boot');
    await line(page, [[0.1, 0.3], [0.9, 0.3]]);
    await page.keyboard.press('e');
    await page.locator('#stroke-width').fill('4');
    for (const [from, to] of [[0.05, 0.185], [0.215, 0.435], [0.465, 0.95]]) await line(page, [[from, 0.3], [to, 0.3]]);
    await expectFirst(page, 'boot');
  },

  async pictures(page) {
    const shapes = await addShapes(page);
    await page.setInputFiles('#upload-file', { name: 'boot.png', mimeType: 'image/png', buffer: Buffer.from(shapes.boot, 'base64') });
    await expectFirst(page, 'boot');
    await page.click('#new-search');
    await page.evaluate((bytes) => {
      const data = new DataTransfer();
      data.items.add(new File([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], 'cross.png', { type: 'image/png' }));
      document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
    }, shapes.cross);
    await expectFirst(page, 'cross');
    await page.click('#new-search');
    await drop(page, '#paper', [{ name: 'bars.png', bytes: shapes.bars }]);
    await expectFirst(page, 'bars');
    const sent = page.waitForRequest('**/api/search');
    await page.check('#is-photo');
    assert.equal(JSON.parse((await sent).postData()).examples[0].modality, 'MODALITY_PHOTO');
  },

  async badPictures(page) {
    await drop(page, '#paper', [{ name: 'contract.png', bytes: btoa('%PDF-1.7 and so on') }]);
    await expectText(page, '.note.bad', '"contract.png" has the format PDF. Save it as JPEG, PNG or WebP.');
    await drop(page, '#paper', [{ name: 'notes.png', bytes: btoa('To do: and so on') }]);
    await expectText(page, '.note.bad', '"notes.png" is not a JPEG, PNG or WebP picture');
    await drop(page, '#paper', [{ name: 'half.jpg', bytes: readFileSync(photoFiles()[0]).subarray(0, 60).toString('base64') }]);
    await expectText(page, '.note.bad', '"half.jpg" is damaged');
    await drop(page, '#paper', [{ name: 'huge.png', size: 50e6 }]);
    await expectText(page, '.note.bad', 'at most 30 MB');
    await draw(page, 'boot');
    await expectText(page, '#search-status', 'photos in');
  },

  async filters(page) {
    await addShapes(page);
    await draw(page, 'boot');
    await expectFirst(page, 'boot');
    await page.fill('#filter-key', 'shape');
    await page.fill('#filter-value', 'cross');
    await page.click('#filter-add');
    await expectFirst(page, 'cross');
    assert.deepEqual(await results(page), ['cross']);
    await page.click('.pill button');
    await expectFirst(page, 'boot');
    await page.locator('#results .card .tag', { hasText: 'shape: boot' }).click();
    await until(page, () => document.querySelectorAll('#results .card').length === 1);
    await page.fill('#filter-key', 'shape');
    await page.fill('#filter-value', 'nothing like it');
    await page.click('#filter-add');
    await expectText(page, '#search-state', 'No photo matches the filters');
    await page.click('#search-state button');
    await expectFirst(page, 'boot');
    await page.fill('#top-k', '2');
    await page.locator('#top-k').blur();
    await until(page, () => document.querySelectorAll('#results .card').length === 2);
    await page.fill('#top-k', '100');
    await page.locator('#top-k').blur();
    await until(page, () => document.querySelectorAll('#results .card').length > 3);
    await page.selectOption('#modality', 'MODALITY_SKETCH');
    await until(page, () => document.querySelectorAll('#results .card').length === 3);
  },

  async colour(page) {
    const painted = await page.evaluate(async (swatches) => {
      const photos = [];
      for (const [photoId, colour] of swatches) {
        const canvas = document.createElement('canvas');
        canvas.width = canvas.height = 90;
        const pen = canvas.getContext('2d');
        pen.fillStyle = '#fff';
        pen.fillRect(0, 0, 90, 90);
        pen.fillStyle = colour;
        pen.fillRect(20, 30, 50, 30);
        const blob = await new Promise((done) => { canvas.toBlob(done, 'image/png'); });
        await fetch(`/api/photo?request=${encodeURIComponent(JSON.stringify({ photoId, onConflict: 'ON_CONFLICT_REPLACE' }))}`, { method: 'PUT', body: blob });
        photos.push(await (await fetch(`/api/photo?id=${photoId}`)).json());
      }
      return photos;
    }, [['swatch-teal', '#008080'], ['swatch-plum', '#800080']]);
    for (const photo of painted) assert.deepEqual(photo.colors.map((colour) => colour.share), [1]);
    await page.fill('#top-k', '1000');
    await page.locator('#top-k').blur();
    await draw(page, 'boot');
    await until(page, () => ['teal', 'plum'].every((name) => document.querySelector(`[data-photo="swatch-${name}"]`)));
    const count = await page.locator('#results .card').count();
    await page.fill('#colour', '#800080');
    await until(page, () => !document.getElementById('results').classList.contains('stale'));
    assert.equal(await page.locator('#results .card').count(), count, 'a preference leaves nothing out');
    const rank = (name) => results(page).then((ids) => ids.indexOf(`swatch-${name}`));
    assert.ok(await rank('plum') < await rank('teal'));
    await page.fill('#colour', '#008080');
    await until(page, () => !document.getElementById('results').classList.contains('stale'));
    assert.ok(await rank('teal') < await rank('plum'));
    await page.selectOption('#colour-use', 'only');
    await until(page, () => document.querySelector('[data-photo="swatch-teal"]') && !document.querySelector('[data-photo="swatch-plum"]'));
    assert.ok(await page.locator('#results .card').count() < count);
  },

  async likes(page) {
    await addShapes(page);
    await draw(page, 'boot');
    // Not exactly the sketch in the gallery: that sketch minus itself would leave nothing to search
    // with.
    await line(page, [[0.55, 0.2], [0.8, 0.2]]);
    await expectFirst(page, 'boot');
    await page.click('[aria-label="Not like boot"]');
    await until(page, () => !document.querySelector('#results [data-photo="boot"]'));
    await expectText(page, '.example.less', 'not like');
    await page.click('[aria-label="Remove boot"]');
    await expectFirst(page, 'boot');
    await page.click('#clear');
    await expectText(page, '#search-state', 'Draw something');
    await draw(page, 'boot');
    await page.click('[aria-label="More like bars"]');
    await page.click('#clear');
    await expectFirst(page, 'bars');
    await draw(page, 'cross');
    await page.click('#add-sketch');
    await draw(page, 'cross');
    await expectText(page, '#search-status', 'photos in');
    assert.equal(await page.locator('#shelf [aria-label^="Sketch "]').count(), 2);
    await page.click('[aria-label="Remove sketch 2"]');
    assert.equal(await page.locator('#shelf [aria-label^="Sketch "]').count(), 1);
  },

  async detail(page) {
    await addShapes(page);
    await draw(page, 'boot');
    await expectFirst(page, 'boot');
    await page.locator('.card-open').first().focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('Enter');
    await expectText(page, '#detail-title', 'boot');
    await expectText(page, '#detail dd', 'image/png');
    await shot(page, 'detail');
    await page.click('#detail button:has-text("Overlay")');
    await shot(page, 'overlay');
    await page.keyboard.press('ArrowRight');
    await until(page, () => document.getElementById('detail-title').textContent !== 'boot');
    await page.keyboard.press('Escape');
    assert.equal(await page.locator('#detail').isVisible(), false);
  },

  async keyboard(page) {
    await page.focus('#board');
    await page.keyboard.press('Space');
    for (let i = 0; i < 10; i += 1) await page.keyboard.press('Shift+ArrowRight');
    await page.keyboard.press('Space');
    await expectText(page, '#search-status', 'photos in');
    await page.keyboard.press('Control+z');
    await expectText(page, '#search-state', 'Draw something');
    await page.keyboard.press('Control+y');
    await expectText(page, '#search-status', 'photos in');
    await page.keyboard.press('e');
    assert.equal(await page.getAttribute('#tool-eraser', 'aria-pressed'), 'true');
    await page.keyboard.press('n');
    await expectText(page, '#search-state', 'Draw something');
  },

  async links(page, context) {
    await addShapes(page);
    await draw(page, 'cross');
    await expectFirst(page, 'cross');
    await until(page, () => location.hash.startsWith('#q='));
    const other = await context.newPage();
    await other.goto(page.url());
    await expectFirst(other, 'cross');
    await other.click('summary:has-text("History")');
    await page.click('#new-search');
    await other.goto(`${page.url().split('#')[0]}#q=broken`);
    await expectText(other, '.note.bad', 'link is damaged');
    await page.click('summary:has-text("History")');
    await page.locator('#history button').first().click();
    await expectFirst(page, 'cross');
  },

  async exports(page) {
    await addShapes(page);
    await draw(page, 'cross');
    await expectFirst(page, 'cross');
    const download = async (id) => {
      const [file] = await Promise.all([page.waitForEvent('download'), page.click(id)]);
      return readFileSync(await file.path(), 'utf8');
    };
    assert.equal(JSON.parse(await download('#export-json')).matches[0].photoId, 'cross');
    const [head, first] = (await download('#export-csv')).split('\r\n');
    assert.equal(head, 'rank,score,photo_id,metadata,model_version');
    assert.match(first, /^1,(1|0\.99\d+)(\.0+)?,"cross","shape=cross",1$/);
  },

  async slow(page) {
    // Wait for the connection, since a stopped server would not accept one.
    await expectText(page, '#model-badge', 'Model 1');
    process.kill(Number(process.env.S2P_SERVER_PID), 'SIGSTOP');
    try {
      await draw(page, 'boot');
      await expectText(page, '#search-status', 'Still searching');
    } finally {
      process.kill(Number(process.env.S2P_SERVER_PID), 'SIGCONT');
    }
    await expectText(page, '#search-status', 'photos in');
  },

  async accessible(page) {
    await addShapes(page);
    await draw(page, 'boot');
    await expectFirst(page, 'boot');
    await page.click('[aria-label="More like boot"]');
    await expectFirst(page, 'boot');
    for (const theme of ['light', 'dark']) {
      await page.click('#theme-switch');
      await page.mouse.move(2, 500);
      await settled(page);
      await shot(page, `search_${theme}`);
      assert.deepEqual(await audit(page), [], theme);
    }
    await page.click('[data-view="operator"]');
    await page.locator('#gallery-list .card').first().waitFor();
    for (const tab of ['gallery', 'model']) {
      await page.click(`#tab-${tab}`);
      await page.mouse.move(2, 500);
      await settled(page);
      await shot(page, `operator_${tab}_dark`);
      assert.deepEqual(await audit(page), [], tab);
    }
  },

  async phone(page) {
    await page.setViewportSize({ width: 390, height: 844 });
    await addShapes(page);
    await draw(page, 'boot');
    await expectFirst(page, 'boot');
    await shot(page, 'phone');
    for (const view of ['search', 'operator']) {
      await page.click(`[data-view="${view}"]`);
      await settled(page);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${view} is ${wide} pixels too wide`);
    }
    await shot(page, 'phone_operator');
  },
};
