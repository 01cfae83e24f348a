// Scenarios of training jobs, with answers that the scenario chooses.
import assert from 'node:assert/strict';
import { audit } from './accessibility.mjs';
import { expectText, shot } from './browser.mjs';
import { refusal } from './gateway_double.mjs';

const SESSION = { operator: true, loginRequired: false, trainer: true, galleryTraining: true, maxBodyBytes: 1 << 20 };
const progress = (state, sentence, photosDone = 0) => ({ state, sentence, photosDone, photos: 3, jobId: '' });

async function openJobs(page, gateway, { galleryTraining = true, now = progress('NONE', '') } = {}) {
  gateway.on['GET /api/session'] = () => ({ ...SESSION, galleryTraining });
  gateway.on['GET /api/training/gallery'] = () => now;
  await page.click('[data-view="operator"]');
  await page.click('#tab-training');
}

export const jobScenarios = {
  async trainingBeginsWithTheGallery(page, gateway) {
    await openJobs(page, gateway);
    await page.click('summary:has-text("Begin with the photos")');
    let sent = null;
    gateway.on['POST /api/training/gallery'] = (url, request) => {
      sent = request.postDataJSON();
      gateway.on['GET /api/training/gallery'] = () => progress('SUBMITTED', 'Job job-7 was submitted.', 3);
      return progress('EXPORTING', '1 of 3 photos are copied.', 1);
    };
    await page.click('#train-gallery button:has-text("Begin")');
    await expectText(page, '#train-gallery', '1 of 3 photos are copied.');
    await shot(page, 'operator_gallery_training');
    assert.deepEqual(await audit(page), []);
    await expectText(page, '#train-gallery', 'Job job-7 was submitted.');
    assert.deepEqual(sent, { spec: { name: 'gallery', pairFraction: 1, preset: 'day-one-from-nothing' } });
    assert.equal(await page.locator('#train-gallery button:text-is("Cancel")').count(), 1);
    assert.ok(!await page.isVisible('#train-gallery button:text-is("Cancel")'));
  },

  async trainingBeginsWithWeightsAndAPartOfALargeGallery(page, gateway) {
    await openJobs(page, gateway);
    gateway.on['GET /api/gallery/stats'] = () => ({ photoCount: '6000' });
    const asked = page.waitForRequest((request) => request.method() === 'POST' && request.url().endsWith('/api/training/gallery'));
    gateway.on['POST /api/training/gallery'] = () => progress('EXPORTING', 'Asking for the photos.');
    await page.click('summary:has-text("Begin with the photos")');
    await page.fill('#weights', 'resnet18.safetensors');
    await page.keyboard.press('Enter');
    assert.deepEqual((await asked).postDataJSON().spec,
      { name: 'gallery', pairFraction: 0.25, preset: 'day-one', initialWeights: 'resnet18.safetensors' });
  },

  async exportThatIsUnderWayIsShownAndCancelled(page, gateway) {
    await openJobs(page, gateway, { now: progress('EXPORTING', '2 of 3 photos are copied.', 2) });
    await expectText(page, '#train-gallery', '2 of 3 photos are copied.');
    gateway.on['POST /api/training/gallery/cancel'] = () => {
      gateway.on['GET /api/training/gallery'] = () => progress('CANCELLED', 'Cancelled.');
      return progress('CANCELLED', 'Cancelled.');
    };
    await page.click('#train-gallery button:text-is("Cancel")');
    await expectText(page, '#train-gallery', 'Cancelled.');
    assert.ok(!await page.isVisible('#train-gallery button:text-is("Cancel")'));
  },

  async exportThatIsRefusedIsSaid(page, gateway) {
    await openJobs(page, gateway);
    gateway.on['POST /api/training/gallery'] = () => refusal(400, 'FAILED_PRECONDITION', 'That cannot be done: the gallery is being exported already.');
    await page.click('summary:has-text("Begin with the photos")');
    await page.click('#train-gallery button:has-text("Begin")');
    await expectText(page, '.note.bad', 'is being exported already');
  },

  async galleryIsNotOfferedWithoutAFolder(page, gateway) {
    await openJobs(page, gateway, { galleryTraining: false });
    await expectText(page, '.operator', 'There are no jobs yet.');
    assert.equal(await page.locator('#train-gallery').count(), 0);
    assert.ok(!gateway.calls.includes('GET /api/training/gallery'));
  },
};
