// Scenarios of operators. They share a server, and find its gallery as it was.
import assert from 'node:assert/strict';
import { drop, expectText, fileOf, idOf, photoFiles, shot } from './browser.mjs';

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
};
