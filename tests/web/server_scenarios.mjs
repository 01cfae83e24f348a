// Scenarios that each need a server of their own: with something missing, with other flags, or under load.
import assert from 'node:assert/strict';
import { addShapes, draw, drop, expectFirst, expectText, shot, until } from './browser.mjs';

export const serverScenarios = {
  async attributes(page) {
    await draw(page, 'boot');
    await page.locator('#attributes .chip').first().waitFor();
    const chip = page.locator('#attributes .chip').first();
    const name = await chip.getAttribute('data-attribute');
    for (const wanted of [[{ name, min: 0.5 }], [{ name, max: 0.5 }], undefined]) {
      const asked = page.waitForRequest('**/api/search');
      await page.click(`#attributes [data-attribute="${name}"]`);
      assert.deepEqual((await asked).postDataJSON().filter.attributes, wanted);
      await until(page, () => !document.getElementById('results').classList.contains('stale'));
    }
  },

  async noServer(page) {
    await expectText(page, '#model-badge', 'Server unreachable');
    await draw(page, 'boot');
    await expectText(page, '#search-state', 'is not responding');
    await shot(page, 'away');
    console.log('ready');
    await expectText(page, '#search-status', 'in ');
    await expectText(page, '#model-badge', 'Model 1');
  },

  async noModel(page) {
    await expectText(page, '#model-badge', 'No model yet');
    await draw(page, 'boot');
    await expectText(page, '#search-state', 'There is no model yet');
  },

  async emptyGallery(page) {
    await draw(page, 'boot');
    await expectText(page, '#search-state', 'The gallery is empty');
    await page.click('[data-view="operator"]');
    await expectText(page, '#gallery-list', 'The gallery is empty');
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

  async galleryTraining(page) {
    await page.click('[data-view="operator"]');
    await page.click('#tab-training');
    await page.click('summary:has-text("Begin with the photos")');
    await page.click('#train-gallery button:text-is("Begin")');
    await expectText(page, '#train-gallery', 'was submitted');
    await expectText(page, 'tr[data-job]', 'gallery');
    await page.click('tr[data-job] button:text-is("Cancel")');
    await page.click('#question button[value="yes"]');
    await expectText(page, 'tr[data-job]', 'cancelled');
  },

  async markedResults(page) {
    await draw(page, 'boot');
    await until(page, () => document.querySelector('#results:not(.stale) .card'));
    const photo = await page.locator('#results .card').first().getAttribute('data-photo');
    await page.click(`[aria-label="${photo} is what I drew"]`);
    await page.click('#question button[value="yes"]');
    await expectText(page, '.note', `Kept: ${photo} is what you drew`);
    await page.click('[data-view="operator"]');
    await page.click('#tab-feedback');
    await page.locator('[data-feedback]').waitFor();
    await until(page, () => [...document.querySelectorAll('.pair img')].every((image) => image.complete && image.naturalWidth));
    await shot(page, 'operator_feedback');
    await page.click('[data-feedback] button:text-is("Accept")');
    await expectText(page, '.operator .muted', '0 to review, 1 accepted');
    await page.selectOption('.operator select', 'STATE_ACCEPTED');
    await page.click('[data-feedback] button:text-is("Forget")');
    await page.click('#question button[value="yes"]');
    await expectText(page, '.operator .muted', '0 to review, 0 accepted');
  },
};
