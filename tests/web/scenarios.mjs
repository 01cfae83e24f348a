// usage: scenarios.mjs SUITE|NAME        all of page, failures, feedback, jobs or uploads, or one of them: the page alone, without a gateway
//        scenarios.mjs SUITE|NAME URL    all of search or operator, or one of them or of server_scenarios.mjs, with a gateway
// All share one browser; each has a context of its own. Prints each scenario's name and outcome; a failed one does not
// keep the others from running. See page_test.py.
// Environment: S2P_PHOTOS, a folder of photos that are in the gallery under their stems; S2P_SCENARIOS, names separated
// by commas: of a suite, just these.
import assert from 'node:assert/strict';
import { closeBrowser, withPage } from './browser.mjs';
import { withPageAlone } from './gateway_double.mjs';
import { failureScenarios } from './failure_scenarios.mjs';
import { feedbackScenarios } from './feedback_scenarios.mjs';
import { jobScenarios } from './job_scenarios.mjs';
import { operatorScenarios } from './operator_scenarios.mjs';
import { pageScenarios } from './page_scenarios.mjs';
import { searchScenarios } from './search_scenarios.mjs';
import { serverScenarios } from './server_scenarios.mjs';
import { uploadScenarios } from './upload_scenarios.mjs';

const ALONE = { page: pageScenarios, failures: failureScenarios, feedback: feedbackScenarios, jobs: jobScenarios, uploads: uploadScenarios };
const WITH_GATEWAY = { search: searchScenarios, operator: operatorScenarios, server: serverScenarios };

/** The suite of this name, or the scenario of this name in one of them. */
const chosen = (suites, name) => suites[name] ?? { [name]: Object.assign({}, ...Object.values(suites))[name] };

/** Runs scenarios one after the other by `run`; fails at the end with the names of those that failed. */
async function runAll(scenarios, run) {
  const failed = [];
  for (const name of process.env.S2P_SCENARIOS?.split(',') ?? Object.keys(scenarios)) {
    try {
      await run(scenarios[name]);
      console.log(`passed: ${name}`);
    } catch (error) {
      failed.push(name);
      console.log(`FAILED: ${name}: ${error.stack}`);
    }
  }
  assert.deepEqual(failed, []);
}

/** Calls the gateway as its own page does. */
async function call(url, path, options = {}) {
  const answer = await fetch(new URL(path, url), { ...options, headers: { origin: new URL(url).origin } });
  assert.equal(answer.status, 200, path);
  return answer.json();
}

const photoIds = async (url) => (await call(url, `/api/photos?request=${encodeURIComponent('{"pageSize":1000}')}`)).photos.map(({ photoId }) => photoId);

/** Runs scenarios with a gateway; each of several finds the photos that the first one found. */
async function runTogether(url, scenarios) {
  const alone = Object.keys(scenarios).length === 1;
  const before = alone ? [] : await photoIds(url);
  await runAll(scenarios, async (scenario) => {
    try {
      await withPage(url, {}, scenario);
    } finally {
      const added = alone ? [] : (await photoIds(url)).filter((id) => !before.includes(id));
      if (added.length) await call(url, '/api/photos/delete', { method: 'POST', body: JSON.stringify({ photoIds: added }) });
    }
  });
}

const [name, url] = process.argv.slice(2);
try {
  if (url) await runTogether(url, chosen(WITH_GATEWAY, name));
  else await runAll(chosen(ALONE, name), withPageAlone);
} finally {
  await closeBrowser();
}
