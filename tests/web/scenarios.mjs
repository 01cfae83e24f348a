// usage: scenarios.mjs NAME URL     one scenario in a headless browser; see page_test.py
// Environment: S2P_PHOTOS, a folder of photos that are in the gallery under their stems.
import { withPage } from './browser.mjs';
import { operatorScenarios } from './operator_scenarios.mjs';
import { searchScenarios } from './search_scenarios.mjs';

const [name, url] = process.argv.slice(2);
await withPage(url, {}, { ...searchScenarios, ...operatorScenarios }[name]);
