// usage: scenarios.mjs NAME URL     one scenario in a headless browser; see page_test.py
//        scenarios.mjs NAME         one of the page alone, without a gateway
//        scenarios.mjs SUITE        all of page, failures or uploads: the page alone
// Environment: S2P_PHOTOS, a folder of photos that are in the gallery under their stems.
import assert from 'node:assert/strict';
import { closeBrowser, withPage } from './browser.mjs';
import { withPageAlone } from './gateway_double.mjs';
import { failureScenarios } from './failure_scenarios.mjs';
import { operatorScenarios } from './operator_scenarios.mjs';
import { pageScenarios } from './page_scenarios.mjs';
import { uploadScenarios } from './upload_scenarios.mjs';
import { searchScenarios } from './search_scenarios.mjs';

const SUITES = { page: pageScenarios, failures: failureScenarios, uploads: uploadScenarios };

/** Runs scenarios of the page alone, one after the other in one browser; reports the failed ones. */
async function runAlone(scenarios) {
  const failed = [];
  for (const [name, scenario] of Object.entries(scenarios)) {
    try {
      await withPageAlone(scenario);
      console.log(`passed: ${name}`);
    } catch (error) {
      failed.push(name);
      console.log(`FAILED: ${name}: ${error.stack}`);
    }
  }
  assert.deepEqual(failed, []);
}

const [name, url] = process.argv.slice(2);
const all = { ...pageScenarios, ...failureScenarios, ...uploadScenarios };
try {
  if (url) await withPage(url, {}, { ...searchScenarios, ...operatorScenarios }[name]);
  else await runAlone(SUITES[name] ?? { [name]: all[name] });
} finally {
  await closeBrowser();
}
