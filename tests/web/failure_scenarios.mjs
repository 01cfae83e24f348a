// Messages of the page when a call fails: one sentence, once, until it works again.
import assert from 'node:assert/strict';
import { draw, expectText, line, requestsMade, shot, stopClock, until } from './browser.mjs';
import { refusal } from './gateway_double.mjs';

const LINE = [[0.2, 0.5], [0.8, 0.5]];
const PROXY_PAGE = { contentType: 'text/html', body: '<html><h1>Bad {"gateway"}</h1></html>' };

/** Words that only a program would write. */
const MACHINE_WORDS = /undefined|\[object|Error:|TypeError|SyntaxError|JSON\.|Unexpected token|Failed to fetch|NaN|<h1>|[{}]|of a library|null/;

/** The visible text of the page, without closed dialogs. */
const readable = (page) => page.evaluate(() => document.body.innerText);

async function expectOnce(page, words) {
  await until(page, (wanted) => document.body.innerText.includes(wanted), words);
  const text = await readable(page);
  assert.equal(text.split(words).length - 1, 1, `"${words}" once in: ${text}`);
  assert.doesNotMatch(text, MACHINE_WORDS);
}

/** Failing responses to a search, the message shown, and whether the page retries. */
const FAILURES = [
  ['connectionrefused', 'The server cannot be reached. Check the connection.', true],
  ['connectionreset', 'The server cannot be reached. Check the connection.', true],
  [refusal(400, 'INVALID_ARGUMENT', 'This picture cannot be used: it is cut.'), 'This picture cannot be used: it is cut.', false],
  [refusal(413, 'OUT_OF_RANGE', 'That is too large: at most 22 MiB.'), 'That is too large: at most 22 MiB.', false],
  [refusal(429, 'RESOURCE_EXHAUSTED', 'Many people search.', { 'retry-after': '1' }), 'Many people search.', true],
  [refusal(429, 'RESOURCE_EXHAUSTED', 'The server has no room left: the disk is full.'), 'The server has no room left: the disk is full.', false],
  [refusal(500, 'INTERNAL', 'Something went wrong on the server.'), 'Something went wrong on the server.', false],
  [refusal(503, 'UNAVAILABLE', 'The server is not responding at the moment.'), 'The server is not responding at the moment.', true],
  [refusal(504, 'DEADLINE_EXCEEDED', 'The server took too long.'), 'The server took too long.', true],
  [{ ...PROXY_PAGE, status: 413 }, 'That is too large for the server, or for a proxy in front of it.', false],
  [{ ...PROXY_PAGE, status: 429 }, 'The server is busy. Try again in a moment.', true],
  [{ ...PROXY_PAGE, status: 429, headers: { 'retry-after': new Date(Date.now() - 60000).toUTCString() } }, 'The server is busy.', true],
  [{ ...PROXY_PAGE, status: 502 }, 'The server is not responding at the moment.', true],
  [{ ...PROXY_PAGE, status: 504 }, 'The server took too long. Try again.', true],
  [{ ...PROXY_PAGE, status: 418 }, 'The server, or a proxy in front of it, answered with error 418.', false],
  [{ ...PROXY_PAGE, status: 200 }, 'perhaps a proxy, answered instead of the server', false],
  [{ status: 200, body: '' }, 'perhaps a proxy, answered instead of the server', false],
  [{ status: 200, json: [] }, 'perhaps a proxy, answered instead of the server', false],
  [{ status: 200, json: { error: 'none' } }, 'perhaps a proxy, answered instead of the server', false],
  [{ status: 500, json: { error: null } }, 'answered with error 500', false],
  [{ status: 500, body: 'null' }, 'answered with error 500', false],
];

export const failureScenarios = {
  async failedSearchIsSaidOnce(page, gateway) {
    const search = gateway.on['POST /api/search'];
    for (const [answer, words, tries] of FAILURES) {
      gateway.on['POST /api/search'] = () => answer;
      await line(page, LINE);
      await expectOnce(page, words);
      gateway.on['POST /api/search'] = search;
      if (!tries) await line(page, [[0.3, 0.3], [0.6, 0.6]]);
      await expectText(page, '#search-status', 'photos in');
      assert.ok(!(await readable(page)).includes(words), `${words} is gone`);
      await page.click('#new-search');
    }
  },

  async limitIsNotTriedAgain(page, gateway) {
    gateway.on['POST /api/search'] = () => refusal(413, 'OUT_OF_RANGE', 'That is too large: at most 22 MiB.');
    await stopClock(page);
    await line(page, LINE);
    await expectOnce(page, 'at most 22 MiB');
    await page.clock.fastForward(60000);
    await requestsMade(page);
    assert.equal(gateway.searches.length, 1);
  },

  async dateToRetryAfterIsWaitedFor(page, gateway) {
    const search = gateway.on['POST /api/search'];
    await stopClock(page);
    const date = new Date(await page.evaluate(() => Date.now()) + 20000).toUTCString();
    gateway.on['POST /api/search'] = () => ({ ...PROXY_PAGE, status: 429, headers: { 'retry-after': date } });
    await line(page, LINE);
    await expectOnce(page, 'The server is busy.');
    gateway.on['POST /api/search'] = search;
    await page.clock.fastForward(15000);
    await requestsMade(page);
    assert.equal(gateway.searches.length, 1);
    await page.clock.fastForward(6000);
    await expectText(page, '#search-status', 'photos in');
  },

  async limitOfAProxyIsNotTakenForWrongPasswords(page, gateway) {
    gateway.on['GET /api/session'] = () => ({ operator: false, loginRequired: true, trainer: false, maxBodyBytes: 1 });
    gateway.on['POST /api/login'] = () => ({ ...PROXY_PAGE, status: 429 });
    await page.click('[data-view="operator"]');
    await page.fill('#password', 'open sesame');
    await page.keyboard.press('Enter');
    await expectText(page, '.login .wrong', 'The server is busy.');
    gateway.on['POST /api/login'] = () => refusal(429, 'RESOURCE_EXHAUSTED', 'Wait.', { 'retry-after': '7' });
    await page.keyboard.press('Enter');
    await expectText(page, '.login .wrong', 'Too many wrong passwords: try again in 7 s.');
  },

  async operatorViewThatIsLeftAtOnceStaysClosed(page, gateway) {
    let release;
    gateway.on['GET /api/session'] = () => new Promise((answer) => { release = answer; });
    const asked = page.waitForRequest('**/api/session');
    await page.click('[data-view="operator"]');
    await asked;
    await page.click('[data-view="search"]');
    const answered = page.waitForResponse('**/api/session');
    release({ operator: true, loginRequired: false, trainer: false, maxBodyBytes: 1 });
    await (await answered).finished();
    await line(page, LINE);
    await expectText(page, '#search-status', 'photos in');
    assert.ok(!gateway.calls.includes('GET /api/gallery/stats'));
  },

  async addressThatMayNotChangeIsLoaded(page) {
    await page.evaluate(() => { history.pushState = history.replaceState = () => { throw new DOMException('too often', 'SecurityError'); }; });
    await page.click('[data-view="operator"]');
    await page.waitForURL('**/operator');
    await page.evaluate(() => { history.replaceState = () => { throw new DOMException('too often', 'SecurityError'); }; });
    await page.click('#tab-model');
    await until(page, () => document.querySelector('#tab-model[aria-selected="true"]'));
  },

  async lateFailureOfAListIsNotShown(page, gateway) {
    let release;
    gateway.on['GET /api/photos'] = () => new Promise((answer) => { release = () => answer(refusal(500, 'INTERNAL', 'The disk is full.')); });
    const asked = page.waitForRequest('**/api/photos?*');
    await page.click('[data-view="operator"]');
    await asked;
    await page.fill('#photo-id', 'boot');
    await page.keyboard.press('Enter');
    await page.locator('#gallery-list [data-photo="boot"]').waitFor();
    const answered = page.waitForResponse('**/api/photos?*');
    release();
    await (await answered).finished();
    await page.fill('#photo-id', 'cross');
    await page.keyboard.press('Enter');
    await page.locator('#gallery-list [data-photo="cross"]').waitFor();
    assert.doesNotMatch(await readable(page), /The disk is full/);
  },

  async photoThatIsFoundStaysWhenTheServerIsBack(page, gateway) {
    await stopClock(page);
    gateway.on['GET /api/photos'] = () => refusal(503, 'UNAVAILABLE', 'The server is not responding at the moment.');
    const answered = page.waitForResponse('**/api/photos?*');
    await page.click('[data-view="operator"]');
    await (await answered).finished();
    await page.fill('#photo-id', 'boot');
    await page.keyboard.press('Enter');
    await page.locator('#gallery-list [data-photo="boot"]').waitFor();
    const lists = gateway.calls.filter((name) => name === 'GET /api/photos').length;
    const stats = page.waitForResponse('**/api/gallery/stats');
    await page.clock.fastForward(6000);
    await (await stats).finished();
    await requestsMade(page);
    assert.equal(gateway.calls.filter((name) => name === 'GET /api/photos').length, lists);
  },

  async answerThatNeverComesIsGivenUp(page, gateway) {
    gateway.on['POST /api/search'] = () => new Promise(() => {});
    await stopClock(page);
    const asked = page.waitForRequest('**/api/search');
    await line(page, LINE);
    await asked;
    await page.clock.fastForward(14000);
    await expectOnce(page, 'The server took too long.');
  },

  async messageStaysWhileTheSearchIsRepeated(page, gateway) {
    gateway.on['POST /api/search'] = () => refusal(503, 'UNAVAILABLE', 'The server is not responding at the moment.');
    await line(page, LINE);
    await expectOnce(page, 'The server is not responding');
    await shot(page, 'failed_search');
    const again = page.waitForRequest('**/api/search');
    let release;
    gateway.on['POST /api/search'] = () => new Promise((answer) => { release = () => answer(gateway.found()); });
    await again;
    await expectOnce(page, 'The server is not responding');
    release();
    await expectText(page, '#search-status', 'photos in');
  },

  async operatorHearsOfAServerThatIsAwayOnce(page, gateway) {
    const saved = { ...gateway.on };
    const away = () => refusal(503, 'UNAVAILABLE', 'The server is not responding at the moment.');
    for (const name of Object.keys(gateway.on)) if (name !== 'GET /api/session') gateway.on[name] = away;
    await page.click('[data-view="operator"]');
    await expectOnce(page, 'The server is not responding');
    await shot(page, 'operator_away');
    Object.assign(gateway.on, saved);
    await page.locator('#gallery-list .card').nth(2).waitFor();
    await until(page, () => !document.body.innerText.includes('is not responding'));
    for (const tab of ['model', 'training']) {
      for (const name of Object.keys(gateway.on)) if (name !== 'GET /api/session') gateway.on[name] = away;
      await page.click(`#tab-${tab}`);
      await expectOnce(page, 'The server is not responding');
      Object.assign(gateway.on, saved);
      await until(page, () => !document.body.innerText.includes('is not responding'));
    }
  },

  async listThatFailsAloneIsNotAskedForInHaste(page, gateway) {
    gateway.on['GET /api/photos'] = () => refusal(503, 'UNAVAILABLE', 'The server is not responding at the moment.');
    await stopClock(page);
    await page.click('[data-view="operator"]');
    await until(page, () => document.body.innerText.includes('embedded with model') || document.body.innerText.includes('is not responding'));
    const lists = () => gateway.calls.filter((name) => name === 'GET /api/photos').length;
    for (let i = 0; i < 5; i += 1) await requestsMade(page);
    assert.ok(lists() <= 2, `${lists()} times`);
    gateway.on['GET /api/photos'] = () => ({ photos: [], nextPageToken: '' });
    await page.clock.fastForward(6000);
    await expectText(page, '#gallery-list', 'The gallery is empty');
  },

  async sameNoteIsShownOnce(page, gateway) {
    gateway.on['POST /api/photos/delete'] = () => refusal(500, 'INTERNAL', 'The disk is full.');
    await page.click('[data-view="operator"]');
    await page.check('[aria-label="Select boot"]');
    for (let i = 0; i < 2; i += 1) {
      const answer = page.waitForResponse('**/api/photos/delete');
      await page.click('#delete-chosen');
      await page.click('#question button[value="yes"]');
      await (await answer).finished();
      await expectOnce(page, 'The disk is full.');
    }
  },

  async streamOfAJobThatEndsIsSaidAndResumed(page, gateway) {
    const job = { jobId: 'job-1', state: 'STATE_RUNNING', spec: {}, publishedVersion: '0', rounds: [] };
    const event = (number) => `id: ${number}\ndata: ${JSON.stringify({ event: String(number), state: 'STATE_RUNNING', message: `message ${number}` })}\n\n`;
    let fails = false;
    gateway.on['GET /api/training/jobs'] = () => ({ jobs: [job] });
    gateway.on['GET /api/training/job'] = () => (fails ? refusal(503, 'UNAVAILABLE', 'The trainer does not answer.') : { job });
    const asked = [];
    gateway.on['GET /api/training/job/watch'] = (url) => {
      const from = Number(JSON.parse(url.searchParams.get('request')).fromEvent);
      asked.push(from);
      return fails ? { status: 503, json: {} } : { contentType: 'text/event-stream', body: event(from) };
    };
    await page.click('[data-view="operator"]');
    await page.click('#tab-training');
    await page.click('tr[data-job] button');
    await expectText(page, '.log', 'message 1');
    fails = true;
    await expectOnce(page, 'The trainer does not answer.');
    fails = false;
    await until(page, () => !document.body.innerText.includes('is not responding') && document.querySelectorAll('.log li').length > 1);
    assert.deepEqual(asked.slice(0, 2), [1, 2]);
  },

  async eventsThatCannotBeFollowedAreSaid(page, gateway) {
    const job = { jobId: 'job-1', state: 'STATE_RUNNING', spec: {}, publishedVersion: '0', rounds: [] };
    gateway.on['GET /api/training/jobs'] = () => ({ jobs: [job] });
    gateway.on['GET /api/training/job'] = () => ({ job });
    gateway.on['GET /api/training/job/watch'] = () => ({ status: 503, json: {} });
    await page.click('[data-view="operator"]');
    await page.click('#tab-training');
    await page.click('tr[data-job] button');
    await expectOnce(page, 'The events of this job are not available at the moment. Retrying.');
    const data = JSON.stringify({ event: '1', state: 'STATE_RUNNING', message: 'message 1' });
    gateway.on['GET /api/training/job/watch'] = () => ({ contentType: 'text/event-stream', body: `id: 1\ndata: ${data}\n\n` });
    await expectText(page, '.log', 'message 1');
    assert.doesNotMatch(await readable(page), /are not available/);
  },

  async jobThatIsGoneIsSaidAndLeftAlone(page, gateway) {
    gateway.on['GET /api/training/jobs'] = () => ({ jobs: [{ jobId: 'job-1', state: 'STATE_SUCCEEDED', spec: {}, publishedVersion: '0', rounds: [] }] });
    gateway.on['GET /api/training/job'] = () => refusal(404, 'NOT_FOUND', 'That job is not there.');
    await page.click('[data-view="operator"]');
    await page.click('#tab-training');
    await page.click('tr[data-job] button');
    await expectOnce(page, 'That job is not there.');
  },

  async jobThatFailedIsQueuedAgain(page, gateway) {
    const job = { jobId: 'job-1', state: 'STATE_FAILED', reason: 'The device was lost.', spec: {}, publishedVersion: '0', rounds: [] };
    gateway.on['GET /api/training/jobs'] = () => ({ jobs: [job] });
    gateway.on['POST /api/training/job/retry'] = () => refusal(503, 'UNAVAILABLE', 'The trainer does not answer.');
    await page.click('[data-view="operator"]');
    await page.click('#tab-training');
    await page.click('tr[data-job] button:has-text("Retry")');
    await expectOnce(page, 'The trainer does not answer.');
    gateway.on['POST /api/training/job/retry'] = (url, request) => {
      assert.deepEqual(request.postDataJSON(), { jobId: 'job-1' });
      Object.assign(job, { state: 'STATE_QUEUED', reason: '' });
      return { job };
    };
    await page.click('tr[data-job] button:has-text("Retry")');
    await expectText(page, 'tr[data-job]', 'queued');
    assert.equal(await page.locator('button:has-text("Retry")').count(), 0);
  },

  async fieldsThatAreNoJsonAreSaidInOurWords(page) {
    await page.click('[data-view="operator"]');
    await page.click('#tab-training');
    await page.click('summary:has-text("Submit a job")');
    await page.fill('#target', 'target');
    await page.fill('#more', 'loss: 1');
    await page.click('#submit-job button');
    await expectText(page, '.note.bad', 'The additional fields are not JSON');
  },

  async photoThatCannotBeLoadedIsSaid(page, gateway) {
    gateway.on['GET /api/photo/original'] = () => ({ status: 503, json: {} });
    gateway.on['GET /api/photo'] = () => refusal(404, 'NOT_FOUND', 'That is not there any more.');
    await draw(page, 'cross');
    await page.click('.card-open');
    await expectText(page, '#detail', 'The photo cannot be loaded');
    await expectText(page, '#detail', 'That is not there any more.');
    assert.doesNotMatch(await readable(page), MACHINE_WORDS);
  },
};
