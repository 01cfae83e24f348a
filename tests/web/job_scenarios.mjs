// Scenarios of training jobs, with answers that the scenario chooses.
import assert from 'node:assert/strict';
import { audit } from './accessibility.mjs';
import { expectText, shot, until } from './browser.mjs';
import { refusal } from './gateway_double.mjs';

const SESSION = { operator: true, loginRequired: false, trainer: true, galleryTraining: true, maxBodyBytes: 1 << 20 };
const progress = (state, sentence, photosDone = 0) => ({ state, sentence, photosDone, photos: 3, jobId: '' });

async function openJobs(page, gateway, { galleryTraining = true, now = progress('NONE', '') } = {}) {
  gateway.on['GET /api/session'] = () => ({ ...SESSION, galleryTraining });
  gateway.on['GET /api/training/gallery'] = () => now;
  await page.click('[data-view="operator"]');
  await page.click('#tab-training');
}

const round = (pairs, candidate, more) => ({ jobId: 'job-1', endedAt: '2026-11-02T03:04:05Z', pairs, metric: 'mAP', candidate, comparedVersion: '0',
  publishedVersion: '0', reason: '', ...more });
const ROUNDS = [
  round(0, undefined, { reason: 'not trained: there is no pair to learn from' }),
  round(20, 0.51, { publishedVersion: '2', reason: 'published as version 2: the first one' }),
  round(34, 0.482, { published: 0.5, comparedVersion: '2', reason: 'not published: mAP 0.4820 against 0.5000 of version 2' }),
  round(61, 0.63, { published: 0.5, comparedVersion: '2', publishedVersion: '3', reason: 'published as version 3: mAP 0.6300 against 0.5000 of version 2' }),
];

function showJob(gateway, rounds) {
  const job = { jobId: 'job-1', state: 'STATE_SUCCEEDED', spec: {}, publishedVersion: '3', rounds };
  gateway.on['GET /api/training/jobs'] = () => ({ jobs: [job] });
  gateway.on['GET /api/training/job'] = () => ({ job });
  gateway.on['GET /api/training/job/watch'] = () => ({ contentType: 'text/event-stream', body: 'event: end\ndata: {}\n\n' });
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

  async roundsAreACurveAndWords(page, gateway) {
    showJob(gateway, ROUNDS);
    await openJobs(page, gateway);
    await page.click('tr[data-job] button');
    await page.locator('.chart .mark').nth(2).waitFor();
    assert.deepEqual(await page.locator('.chart .mark').evaluateAll((marks) => marks.map((mark) => mark.classList.contains('ring'))), [false, true, false]);
    await expectText(page, '.chart .tick', '61 pairs');
    const words = await page.locator('.charts .log li').allTextContents();
    assert.match(words[0], /0 pairs: not trained/);
    assert.match(words[2], /34 pairs, mAP 48\.2 %: not published: mAP 0\.4820 against 0\.5000/);
    await shot(page, 'operator_rounds');
    assert.deepEqual(await audit(page), []);
  },

  async jobWithoutRoundsHasNoCurveOfThem(page, gateway) {
    showJob(gateway, []);
    await openJobs(page, gateway);
    await page.click('tr[data-job] button');
    await until(page, () => document.querySelectorAll('.chart').length === 2);
    await page.evaluate(() => fetch('/api/training/job'));
    assert.ok(!(await page.textContent('.operator')).includes('confirmed pairs'));
  },
};
