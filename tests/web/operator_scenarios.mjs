// Scenarios of operators.
import assert from 'node:assert/strict';
import { addShapes, draw, drop, expectFirst, expectText, fileOf, idOf, photoFiles, shot } from './browser.mjs';

export const operatorScenarios = {
  async operatorGallery(page) {
    await page.click('[data-view="operator"]');
    await expectText(page, '.operator .muted', 'embedded with model 1');
    await shot(page, 'operator_gallery');
    const [photo] = photoFiles();
    await drop(page, '.drop-zone', [fileOf(photo, 'new one.jpg'), { name: 'contract.png', bytes: btoa('%PDF') }, { name: 'big.png', size: 30e6 },
      fileOf(photo, `${idOf(photo)}.jpg`)]);
    await expectText(page, '#upload-status', 'Done');
    assert.match(await page.textContent('#upload-status'), /1 added/);
    assert.match(await page.textContent('#upload-status'), /[23] failed/);
    await expectText(page, '.failures', 'contract.png');
    await expectText(page, '.failures', 'too large');
    await page.fill('#photo-id', 'new one');
    await page.keyboard.press('Enter');
    await page.locator('#gallery-list [data-photo="new one"]').waitFor();
    await page.check('[aria-label="Select new one"]');
    await page.click('#delete-chosen');
    await page.click('#question button[value="yes"]');
    await expectText(page, '.note', '1 deleted');
    await page.fill('#photo-id', 'new one');
    await page.keyboard.press('Enter');
    await expectText(page, '.note.bad', 'There is no photo "new one"');
  },

  // The page requests the list, then a photo; the response with the list comes last.
  async lateAnswer(page) {
    await page.click('[data-view="operator"]');
    await page.locator('#gallery-list li').nth(1).waitFor();
    const id = await page.locator('#gallery-list li').first().getAttribute('data-photo');
    let release;
    const held = new Promise((resolve) => { release = resolve; });
    await page.route('**/api/photos?*', async (route) => { await held; await route.continue(); });
    await page.getByRole('button', { name: 'All' }).click();
    await page.fill('#photo-id', id);
    await page.keyboard.press('Enter');
    await page.locator('#gallery-list li').nth(1).waitFor({ state: 'detached' });
    await page.check(`[aria-label="Select ${id}"]`);
    const answer = page.waitForResponse('**/api/photos?*');
    release();
    await (await answer).finished();
    await page.evaluate(() => fetch('/healthz'));
    assert.equal(await page.locator('#gallery-list li').count(), 1);
    assert.ok(await page.isEnabled('#delete-chosen'));
  },

  async brokenUpload(page) {
    await page.click('[data-view="operator"]');
    let broken = 0;
    await page.route('**/api/photo?*', (route) => {
      if (route.request().method() !== 'PUT' || broken === 2) return route.continue();
      broken += 1;
      return route.abort('connectionreset');
    });
    await page.locator('.drop-zone').waitFor();
    await drop(page, '.drop-zone', [fileOf(photoFiles()[0], 'broken once.jpg'), fileOf(photoFiles()[1], 'and again.jpg')]);
    await expectText(page, '#upload-status', 'Done: 2 added');
    assert.equal(broken, 2);
  },

  // The photos are invalid, so that only the handling of many files is measured, not the encoder.
  async manyFiles(page) {
    await page.click('[data-view="operator"]');
    await page.locator('.drop-zone').waitFor();
    const count = Number(process.env.S2P_FILES || 2000);
    await drop(page, '.drop-zone', [{ name: 'bad.png', bytes: btoa('\x89PNG\r\n\x1a\nno more'), count }]);
    await page.locator('#upload-status', { hasText: 'Done' }).waitFor();
    assert.match(await page.textContent('#upload-status'), new RegExp(`${count} failed`));
    assert.equal(await page.locator('.failures li').count(), 51);
  },

  async manyTabs(page, context) {
    const tabs = await Promise.all(Array.from({ length: 20 }, () => context.newPage()));
    await Promise.all(tabs.map((tab) => tab.goto(`${page.url()}operator`)));
    for (const tab of tabs) await expectText(tab, '.operator .muted', 'embedded with model');
    await draw(page, 'boot');
    await expectText(page, '#search-status', 'photos in');
  },

  async swap(page) {
    await addShapes(page);
    await draw(page, 'boot');
    await expectText(page, '#search-status', 'model 1');
    console.log('ready');
    await expectText(page, '#model-badge', 'Model 2');
    await expectText(page, '.note', 'Model 2 is now served instead of 1');
    await expectText(page, '#search-status', 'model 2');
    await expectFirst(page, 'boot');
    await page.click('[data-view="operator"]');
    await page.click('#tab-model');
    await page.locator('tr[data-version="2"][data-state="STATE_SERVING"]').waitFor();
    await shot(page, 'operator_model');
    await page.click('[aria-label="Pin version 1"]');
    await page.locator('tr[data-version="1"][data-state="STATE_SERVING"]').waitFor();
    await expectText(page, '#model-badge', 'Model 1');
    await page.click('#follow');
    await expectText(page, '#model-badge', 'Model 2');
  },

  async login(page) {
    await page.click('[data-view="operator"]');
    await page.fill('#password', 'wrong guess');
    await page.click('.login button');
    await expectText(page, '.wrong', 'password is wrong');
    await page.fill('#password', 'open sesame');
    await page.click('.login button');
    await expectText(page, '.operator .muted', 'embedded with model');
    await page.click('button:has-text("Log out")');
    await page.locator('#password').waitFor();
  },

  async training(page) {
    await page.click('[data-view="operator"]');
    await page.click('#tab-training');
    await page.click('summary:has-text("Submit a job")');
    await page.fill('#target', 'nothing/here');
    await page.click('#submit-job button');
    await expectText(page, '.note.bad', 'target_dataset');
    await page.fill('#job-name', 'from the page');
    await page.fill('#target', 'target');
    await page.fill('#source', 'source');
    await page.fill('#epochs', '200');
    await page.fill('#more', '{"step1": {"epochs": 0}, "validation": {"everyEpochs": 1}}');
    await page.click('#submit-job button');
    await expectText(page, '[aria-label="Selected job"]', 'running');
    await page.locator('.chart .curve').nth(2).waitFor();
    await expectText(page, '.legend', 'rank-1');
    await shot(page, 'operator_job');
    await page.click('button:has-text("Cancel")');
    await page.click('#question button[value="yes"]');
    await expectText(page, 'tr[data-job]', 'cancelled');
  },
};
