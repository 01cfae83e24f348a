// What the page says when a call fails: one sentence, once, until it works again.
import assert from 'node:assert/strict';
import { draw, expectText, line, shot, until } from './browser.mjs';
import { refusal } from './gateway_double.mjs';

const LINE = [[0.2, 0.5], [0.8, 0.5]];
const PROXY_PAGE = { contentType: 'text/html', body: '<html><h1>Bad {"gateway"}</h1></html>' };

/** Words that only a program could have put there. */
const MACHINE_WORDS = /undefined|\[object|Error:|TypeError|SyntaxError|JSON\.|Unexpected token|Failed to fetch|NaN|<h1>|[{}]|of a library|null/;

/** What can be read on the page now, without what is in dialogs that are closed. */
const readable = (page) => page.evaluate(() => document.body.innerText);

async function expectOnce(page, words) {
  await until(page, (wanted) => document.body.innerText.includes(wanted), words);
  const text = await readable(page);
  assert.equal(text.split(words).length - 1, 1, `"${words}" once in: ${text}`);
  assert.doesNotMatch(text, MACHINE_WORDS);
}

/** Answers of a search that fail, what is said, and whether the page tries again. */
const FAILURES = [
  ['connectionrefused', 'The server cannot be reached. Check the connection.', true],
  ['connectionreset', 'The server cannot be reached. Check the connection.', true],
  [refusal(400, 'INVALID_ARGUMENT', 'This picture cannot be used: it is cut.'), 'This picture cannot be used: it is cut.', false],
  [refusal(413, 'OUT_OF_RANGE', 'That is too large: at most 22 MiB.'), 'That is too large: at most 22 MiB.', false],
  [refusal(429, 'RESOURCE_EXHAUSTED', 'Many people search.', { 'retry-after': '1' }), 'Many people search.', true],
  [refusal(429, 'RESOURCE_EXHAUSTED', 'The server has no room left: the disk is full.'), 'The server has no room left: the disk is full.', false],
  [refusal(500, 'INTERNAL', 'Something went wrong on the server.'), 'Something went wrong on the server.', false],
  [refusal(503, 'UNAVAILABLE', 'The server does not answer at the moment.'), 'The server does not answer at the moment.', true],
  [refusal(504, 'DEADLINE_EXCEEDED', 'The server took too long.'), 'The server took too long.', true],
  [{ ...PROXY_PAGE, status: 413 }, 'That is too large for the server, or for a proxy before it.', false],
  [{ ...PROXY_PAGE, status: 502 }, 'The server does not answer at the moment.', true],
  [{ ...PROXY_PAGE, status: 504 }, 'The server took too long. Try again.', true],
  [{ ...PROXY_PAGE, status: 418 }, 'The server, or a proxy before it, answered with error 418.', false],
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
    await page.clock.install();
    await line(page, LINE);
    await expectOnce(page, 'at most 22 MiB');
    await page.clock.fastForward(60000);
    await page.evaluate(() => fetch('/api/model'));
    assert.equal(gateway.searches.length, 1);
  },

  async answerThatNeverComesIsGivenUp(page, gateway) {
    gateway.on['POST /api/search'] = () => new Promise(() => {});
    await page.clock.install();
    await line(page, LINE);
    await until(page, () => document.getElementById('results').classList.contains('stale'));
    await page.clock.fastForward(14000);
    await expectOnce(page, 'The server took too long.');
  },

  async messageStaysWhileTheSearchIsRepeated(page, gateway) {
    gateway.on['POST /api/search'] = () => refusal(503, 'UNAVAILABLE', 'The server does not answer at the moment.');
    await line(page, LINE);
    await expectOnce(page, 'The server does not answer');
    await shot(page, 'failed_search');
    const again = page.waitForRequest('**/api/search');
    let release;
    gateway.on['POST /api/search'] = () => new Promise((answer) => { release = () => answer(gateway.found()); });
    await again;
    await expectOnce(page, 'The server does not answer');
    release();
    await expectText(page, '#search-status', 'photos in');
  },

  async operatorHearsOfAServerThatIsAwayOnce(page, gateway) {
    const saved = { ...gateway.on };
    const away = () => refusal(503, 'UNAVAILABLE', 'The server does not answer at the moment.');
    for (const name of Object.keys(gateway.on)) if (name !== 'GET /api/session') gateway.on[name] = away;
    await page.click('[data-view="operator"]');
    await expectOnce(page, 'The server does not answer');
    await shot(page, 'operator_away');
    Object.assign(gateway.on, saved);
    await page.locator('#gallery-list .card').nth(2).waitFor();
    await until(page, () => !document.body.innerText.includes('does not answer'));
    for (const tab of ['model', 'training']) {
      for (const name of Object.keys(gateway.on)) if (name !== 'GET /api/session') gateway.on[name] = away;
      await page.click(`#tab-${tab}`);
      await expectOnce(page, 'The server does not answer');
      Object.assign(gateway.on, saved);
      await until(page, () => !document.body.innerText.includes('does not answer'));
    }
  },

  async listThatFailsAloneIsNotAskedForInHaste(page, gateway) {
    gateway.on['GET /api/photos'] = () => refusal(503, 'UNAVAILABLE', 'The server does not answer at the moment.');
    await page.clock.install();
    await page.click('[data-view="operator"]');
    await until(page, () => document.body.innerText.includes('embedded with model') || document.body.innerText.includes('does not answer'));
    const lists = () => gateway.calls.filter((name) => name === 'GET /api/photos').length;
    for (let i = 0; i < 5; i += 1) await page.evaluate(() => fetch('/api/model'));
    assert.ok(lists() <= 2, `${lists()} times`);
    gateway.on['GET /api/photos'] = () => ({ photos: [], nextPageToken: '' });
    await page.clock.fastForward(6000);
    await expectText(page, '#gallery-list', 'The gallery is empty');
  },

  async sameNoteIsShownOnce(page, gateway) {
    gateway.on['POST /api/photos/delete'] = () => refusal(500, 'INTERNAL', 'The disk is full.');
    await page.click('[data-view="operator"]');
    await page.check('[aria-label="Choose boot"]');
    for (let i = 0; i < 2; i += 1) {
      const answer = page.waitForResponse('**/api/photos/delete');
      await page.click('#delete-chosen');
      await page.click('#question button[value="yes"]');
      await (await answer).finished();
      await expectOnce(page, 'The disk is full.');
    }
  },

  async streamOfAJobThatEndsIsSaidAndResumed(page, gateway) {
    const job = { jobId: 'job-1', state: 'STATE_RUNNING', spec: {}, publishedVersion: '0' };
    const event = (number) => `id: ${number}\ndata: ${JSON.stringify({ event: String(number), state: 'STATE_RUNNING', message: `message ${number}` })}\n\n`;
    let fails = false;
    gateway.on['GET /api/training/jobs'] = () => ({ jobs: [job] });
    gateway.on['GET /api/training/job'] = () => (fails ? refusal(503, 'UNAVAILABLE', 'The trainer does not answer.') : job);
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
    await until(page, () => !document.body.innerText.includes('does not answer') && document.querySelectorAll('.log li').length > 1);
    assert.deepEqual(asked.slice(0, 2), [1, 2]);
  },

  async jobThatIsGoneIsSaidAndLeftAlone(page, gateway) {
    gateway.on['GET /api/training/jobs'] = () => ({ jobs: [{ jobId: 'job-1', state: 'STATE_SUCCEEDED', spec: {}, publishedVersion: '0' }] });
    gateway.on['GET /api/training/job'] = () => refusal(404, 'NOT_FOUND', 'That job is not there.');
    await page.click('[data-view="operator"]');
    await page.click('#tab-training');
    await page.click('tr[data-job] button');
    await expectOnce(page, 'That job is not there.');
  },

  async fieldsThatAreNoJsonAreSaidInOurWords(page) {
    await page.click('[data-view="operator"]');
    await page.click('#tab-training');
    await page.click('summary:has-text("Submit a job")');
    await page.fill('#target', 'target');
    await page.fill('#more', 'loss: 1');
    await page.click('#submit-job button');
    await expectText(page, '.note.bad', 'The further fields are not JSON');
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
