// usage: scenarios.mjs NAME URL     one scenario in a headless browser; see page_test.py
//        scenarios.mjs NAME         one of the page alone, without a gateway
// Environment: S2P_PHOTOS, a folder of photos that are in the gallery under their stems.
import { withPage } from './browser.mjs';
import { withPageAlone } from './gateway_double.mjs';
import { failureScenarios } from './failure_scenarios.mjs';
import { operatorScenarios } from './operator_scenarios.mjs';
import { pageScenarios } from './page_scenarios.mjs';
import { uploadScenarios } from './upload_scenarios.mjs';
import { searchScenarios } from './search_scenarios.mjs';

const [name, url] = process.argv.slice(2);
if (url) await withPage(url, {}, { ...searchScenarios, ...operatorScenarios }[name]);
else await withPageAlone({ ...pageScenarios, ...failureScenarios, ...uploadScenarios }[name]);
