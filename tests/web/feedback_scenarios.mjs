// Marking results, and the operators' review of what was marked, on the page alone.
import assert from 'node:assert/strict';
import { draw, expectText, line, shot, until } from './browser.mjs';
import { refusal } from './gateway_double.mjs';

const STATS = { pendingCount: '2', acceptedCount: '0', rejectedCount: '0', keptBytes: '2000', maxKeptBytes: '1000000' };

/** A server that collects feedback. @returns {object[]} the bodies of the records, as they arrive */
function collect(gateway) {
  const records = [];
  gateway.on['GET /api/feedback/stats'] = () => STATS;
  gateway.on['POST /api/feedback'] = (url, request) => {
    records.push(request.postDataJSON());
    return { feedbackId: `f${records.length}`, alreadyRecorded: false };
  };
  return records;
}

/** Two entries, as a server keeps them. @returns {{entries: object[], reviews: object[]}} */
function keep(gateway) {
  collect(gateway);
  const entry = (feedbackId, photoId, verdict) => ({ feedbackId, photoId, verdict, state: 'STATE_PENDING', recordedBy: 'web',
    photoIsCurrent: true, recordedAt: '2026-01-02T03:04:05Z' });
  const kept = { entries: [entry('f1', 'boot', 'VERDICT_MATCH'), entry('f2', 'bars', 'VERDICT_NO_MATCH')], reviews: [] };
  gateway.on['GET /api/feedback/list'] = (url) => {
    const { state } = JSON.parse(url.searchParams.get('request'));
    return { feedback: kept.entries.filter((e) => state === 'STATE_UNSPECIFIED' || e.state === state), nextPageToken: '' };
  };
  gateway.on['GET /api/feedback/entry'] = () => ({ sketch: 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==' });
  gateway.on['POST /api/feedback/review'] = (url, request) => {
    const { feedbackIds, state } = request.postDataJSON();
    kept.reviews.push({ feedbackIds, state });
    for (const e of kept.entries) if (feedbackIds.includes(e.feedbackId)) e.state = state;
    return { reviewedCount: feedbackIds.length };
  };
  gateway.on['POST /api/feedback/delete'] = (url, request) => {
    const { feedbackIds } = request.postDataJSON();
    kept.entries = kept.entries.filter((e) => !feedbackIds.includes(e.feedbackId));
    return { deletedCount: feedbackIds.length };
  };
  return kept;
}

const act = (id, text) => `[data-feedback="${id}"] button:text-is("${text}")`;
const match = (id) => `#results [data-photo="${id}"] button[aria-label="${id} is what I drew"]`;
const openReview = async (page) => { await page.click('[data-view="operator"]'); await page.click('#tab-feedback'); };

export const feedbackScenarios = {
  async nothingCanBeMarkedWhereNothingIsCollected(page) {
    await draw(page, 'cross');
    await page.locator('#results .card').first().waitFor();
    assert.equal(await page.locator('text=This is it').first().isVisible(), false);
    await page.click('[data-view="operator"]');
    await page.locator('#tab-gallery').waitFor();
    assert.equal(await page.locator('#tab-feedback').count(), 0);
  },

  async pageSaysWhatIsKeptBeforeItIsKept(page, gateway) {
    const records = collect(gateway);
    await page.reload();
    await draw(page, 'cross');
    await page.click(match('cross'));
    for (const words of ['your drawing as a picture', 'which photo you marked, with its checksum', 'the one you meant; the time',
      'the name under which this page calls the server, which is the same for all visitors', 'the time of that is kept, too',
      'What is accepted is copied with the photo', 'Neither your name nor your address is kept with it',
      'a model that was trained with them stays as it is']) await expectText(page, '#question', words);
    await shot(page, 'feedback_question');
    await page.click('#question button[value="no"]');
    assert.deepEqual(records, []);
    await page.click(match('cross'));
    await page.click('#question button[value="yes"]');
    await expectText(page, '.note', 'Kept: cross is what you drew');
    assert.equal(records.length, 1);
    assert.equal(records[0].photoId, 'cross');
    assert.equal(records[0].verdict, 'VERDICT_MATCH');
    assert.match(records[0].image, /^iVBORw0KGgo/);
    assert.equal(await page.getAttribute(match('cross'), 'aria-pressed'), 'true');
    await shot(page, 'feedback_marked');
  },

  async oneVisitIsAskedOnceAndAMarkIsSentOnce(page, gateway) {
    const records = collect(gateway);
    await page.reload();
    await draw(page, 'cross');
    await page.click(match('cross'));
    await page.click('#question button[value="yes"]');
    await until(page, (selector) => document.querySelector(selector).getAttribute('aria-pressed') === 'true', match('cross'));
    await page.click(match('cross'));
    await page.click('#results [data-photo="boot"] .card-open');
    await page.click('#detail [data-verdict="VERDICT_NO_MATCH"]');
    await expectText(page, '.note', 'Kept: boot is not what you drew');
    assert.deepEqual(records.map(({ photoId, verdict }) => [photoId, verdict]), [['cross', 'VERDICT_MATCH'], ['boot', 'VERDICT_NO_MATCH']]);
    assert.equal(await page.getAttribute('#detail [data-verdict="VERDICT_NO_MATCH"]', 'aria-pressed'), 'true');
    await shot(page, 'feedback_detail');
  },

  async marksBelongToTheDrawing(page, gateway) {
    const records = collect(gateway);
    await page.reload();
    await draw(page, 'cross');
    await page.click(match('cross'));
    await page.click('#question button[value="yes"]');
    const pressed = (wanted) => until(page, ([selector, value]) => {
      const mark = document.querySelector(selector);
      return mark && mark.getAttribute('aria-pressed') === value && !document.getElementById('results').classList.contains('stale');
    }, [match('cross'), wanted]);
    await pressed('true');
    await line(page, [[0.1, 0.5], [0.9, 0.5]]);
    await pressed('false');
    await page.click('#undo');
    await pressed('true');
    assert.equal(records.length, 1);
  },

  async nothingCanBeMarkedWhileTheResultsAreThoseOfAnotherDrawing(page, gateway) {
    const records = collect(gateway);
    await page.reload();
    await draw(page, 'cross');
    const disabled = (wanted) => until(page, ([selector, value]) => {
      const mark = document.querySelector(selector);
      return mark && mark.disabled === value;
    }, [match('cross'), wanted]);
    await disabled(false);
    let answer;
    const answered = new Promise((done) => { answer = done; });
    gateway.on['POST /api/search'] = async () => { await answered; return gateway.found(); };
    await line(page, [[0.1, 0.5], [0.9, 0.5]]);
    await disabled(true);
    await page.click(match('cross'), { force: true });
    answer();
    await disabled(false);
    await page.click(match('cross'));
    await page.click('#question button[value="yes"]');
    await expectText(page, '.note', 'Kept: cross is what you drew');
    assert.equal(records.length, 1);
    assert.equal(records[0].image, gateway.searches.at(-1).examples[0].image);
    gateway.on['POST /api/search'] = () => refusal(500, 'INTERNAL', 'The search failed.');
    await line(page, [[0.5, 0.1], [0.5, 0.9]]);
    await expectText(page, '#search-state', 'The search failed.');
    assert.ok(await page.isDisabled(match('cross')));
  },

  async aPhotoTeachesNothingAndCannotBeMarked(page, gateway) {
    collect(gateway);
    await page.reload();
    await draw(page, 'cross');
    await page.locator(match('cross')).waitFor();
    await page.check('#is-photo');
    await page.locator(match('cross')).waitFor({ state: 'hidden' });
  },

  async refusedMarkIsReportedAndNotShownAsKept(page, gateway) {
    collect(gateway);
    gateway.on['POST /api/feedback'] = () => refusal(429, 'RESOURCE_EXHAUSTED', 'The server keeps as many drawings as it may.');
    await page.reload();
    await draw(page, 'cross');
    await page.click(match('cross'));
    await page.click('#question button[value="yes"]');
    await expectText(page, '.note.bad', 'The server keeps as many drawings as it may.');
    assert.equal(await page.getAttribute(match('cross'), 'aria-pressed'), 'false');
  },

  async operatorsAcceptRejectAndForget(page, gateway) {
    const kept = keep(gateway);
    await openReview(page);
    await page.locator('[data-feedback="f2"]').waitFor();
    await until(page, () => [...document.querySelectorAll('.pair img')].every((image) => image.complete && image.naturalWidth));
    await shot(page, 'feedback_review');
    await page.click(act('f1', 'Accept'));
    await page.locator('[data-feedback="f1"]').waitFor({ state: 'detached' });
    assert.deepEqual(kept.reviews, [{ feedbackIds: ['f1'], state: 'STATE_ACCEPTED' }]);
    await page.click(act('f2', 'Forget'));
    await page.click('#question button[value="no"]');
    assert.equal(kept.entries.length, 2);
    await page.click(act('f2', 'Forget'));
    await page.click('#question button[value="yes"]');
    await expectText(page, '#feedback-list', 'There is nothing to show.');
    assert.deepEqual(kept.entries.map((e) => e.feedbackId), ['f1']);
    await page.selectOption('#operator-view select', 'STATE_ACCEPTED');
    await page.locator('[data-feedback="f1"]').waitFor();
    assert.equal(await page.getAttribute(act('f1', 'Accept'), 'aria-pressed'), 'true');
  },

  async photoThatIsNotTheOneOfTheVerdictIsNotShown(page, gateway) {
    const kept = keep(gateway);
    kept.entries[0].photoIsCurrent = false;
    await openReview(page);
    await expectText(page, '[data-feedback="f1"]', 'This photo was deleted or replaced');
    assert.equal(await page.locator('[data-feedback="f1"] img[alt="Photo boot"]').count(), 0);
    assert.equal(await page.locator('[data-feedback="f2"] img[alt="Photo bars"]').count(), 1);
    await shot(page, 'feedback_replaced');
  },

  async allThatIsShownIsReviewedAtOnce(page, gateway) {
    const kept = keep(gateway);
    await openReview(page);
    await page.locator('[data-feedback="f2"]').waitFor();
    await page.click('#reject-shown');
    await expectText(page, '#feedback-list', 'There is nothing to show.');
    assert.deepEqual(kept.reviews, [{ feedbackIds: ['f1', 'f2'], state: 'STATE_REJECTED' }]);
    assert.ok(await page.isDisabled('#accept-shown'));
  },
};
