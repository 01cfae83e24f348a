// Files and folders dropped on the operator's view.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { drop, expectText, shot, stopClock } from './browser.mjs';
import { refusal } from './gateway_double.mjs';

const JPEG = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 16, 0x4a, 0x46, 0x49, 0x46]);

/** Opens the operator's view; `ids` collects the added ids. */
async function openOperator(page, gateway) {
  const ids = [];
  gateway.on['PUT /api/photo'] = (url) => { ids.push(JSON.parse(url.searchParams.get('request')).photoId); return { result: 'RESULT_ADDED' }; };
  await page.click('[data-view="operator"]');
  await page.locator('.drop-zone').waitFor();
  return ids;
}

/** Drops files and folders from this machine, as a file manager does. */
async function dropPaths(page, context, paths) {
  const session = await context.newCDPSession(page);
  const box = await page.locator('.drop-zone').boundingBox();
  const data = { items: [], files: paths, dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop']) await session.send('Input.dispatchDragEvent', { type, x: box.x + 30, y: box.y + 8, data });
}

/** Makes a folder with these files in it. */
function folderOf(files) {
  const folder = mkdtempSync(join(tmpdir(), 's2p-drop-'));
  for (const [name, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), bytes);
  }
  return folder;
}

const status = (page) => page.textContent('#upload-status');

export const uploadScenarios = {
  async systemFilesOfAFolderArePassedOver(page, gateway, context) {
    const ids = await openOperator(page, gateway);
    const folder = folderOf({ 'shoes/IMG_2.jpeg': JPEG, 'shoes/._IMG_2.jpeg': 'x', 'shoes/.DS_Store': 'x', 'shoes/Thumbs.db': 'x', 'shoes/Desktop.ini': 'x', 'shoes/Icon\r': 'x', 'shoes/#recycle/a.jpg': JPEG, 'shoes/$RECYCLE.BIN/a.jpg': JPEG,
      'shoes/@eaDir/IMG_2.jpeg': JPEG, 'shoes/.thumbnails/a.jpg': JPEG, 'shoes/red/a.jpg': JPEG, 'shoes/b.jpg.crdownload': JPEG,
      '__MACOSX/shoes/IMG_2.jpeg': 'x' });
    await dropPaths(page, context, [join(folder, 'shoes'), join(folder, '__MACOSX')]);
    await expectText(page, '#upload-status', 'Done: 2 added, 11 hidden or system files skipped');
    assert.deepEqual(ids.sort(), ['shoes/IMG_2', 'shoes/red/a']);
    assert.equal(await page.locator('.failures li').count(), 0);
    await shot(page, 'skipped');
  },

  async systemFilesAmongFilesArePassedOver(page, gateway, context) {
    const ids = await openOperator(page, gateway);
    const folder = folderOf({ 'IMG_2.jpeg': JPEG, '._IMG_2.jpeg': 'x' });
    await dropPaths(page, context, [join(folder, 'IMG_2.jpeg'), join(folder, '._IMG_2.jpeg')]);
    await expectText(page, '#upload-status', 'Done: 1 added, 1 hidden or system file skipped');
    assert.deepEqual(ids, ['IMG_2']);
  },

  async fileThatIsChosenByHandIsTaken(page, gateway, context) {
    const ids = await openOperator(page, gateway);
    const folder = folderOf({ '.hidden.jpg': JPEG, '._IMG_2.jpeg': JPEG, '.thumbnails/a.jpg': JPEG });
    await page.setInputFiles('#add-files', [join(folder, '.hidden.jpg'), join(folder, '._IMG_2.jpeg')]);
    await expectText(page, '#upload-status', 'Done: 2 added');
    await dropPaths(page, context, [join(folder, '.hidden.jpg')]);
    await expectText(page, '#upload-status', 'Done: 1 added');
    await dropPaths(page, context, [join(folder, '.thumbnails')]);
    await expectText(page, '#upload-status', 'Done: 1 added');
    assert.deepEqual(ids.sort(), ['._IMG_2', '.hidden', '.hidden', '.thumbnails/a']);
  },

  async folderWithNothingInItIsSaid(page, gateway, context) {
    await openOperator(page, gateway);
    await dropPaths(page, context, [folderOf({})]);
    await expectText(page, '#upload-status', 'Done: there was nothing to add');
    await dropPaths(page, context, [folderOf({ '.DS_Store': 'x' })]);
    await expectText(page, '#upload-status', 'Done: 1 hidden or system file skipped');
  },

  async namesThatAreNotValidAreNamed(page, gateway) {
    const ids = await openOperator(page, gateway);
    await page.evaluate(() => {
      const data = new DataTransfer();
      for (const name of ['good.jpg', 'line\nbreak.jpg', 'c1\u0085.jpg', 'caf\ufffd.jpg', `${'ü'.repeat(129)}.jpg`]) data.items.add(new File(['x'], name));
      const half = new File(['x'], 'half.jpg');
      Object.defineProperty(half, 'name', { value: 'half\ud83d.jpg' });
      const event = new Event('drop', { bubbles: true, cancelable: true });
      Object.defineProperty(event, 'dataTransfer', { value: { items: [], files: [...data.files, half] } });
      document.querySelector('.drop-zone').dispatchEvent(event);
    });
    await expectText(page, '#upload-status', 'Done: 1 added, 5 failed');
    const failures = await page.locator('.failures').innerText();
    assert.match(failures, /half.*\.jpg has a name with characters that are not valid Unicode/);
    assert.match(failures, /caf.\.jpg has a name with characters that are not valid Unicode/);
    assert.equal(failures.match(/has control characters in its name/g).length, 2);
    assert.match(failures, /has a name of 258 bytes including its folders; at most 256 are allowed/);
    assert.deepEqual(ids, ['good']);
  },

  async fileBeyondTheLimitIsNamedWithTheNumber(page, gateway) {
    const ids = await openOperator(page, gateway);
    await drop(page, '.drop-zone', [{ name: 'big.jpg', size: 1572864 }, { name: 'empty.jpg', bytes: '' }]);
    await expectText(page, '.failures', 'big.jpg is too large: it has 1.5 MiB, the limit is 1 MiB');
    await expectText(page, '.failures', 'empty.jpg is empty');
    assert.deepEqual(ids, []);
  },

  async limitOfTheServerIsSaidOnceInItsWords(page, gateway) {
    let asked = 0;
    await openOperator(page, gateway);
    gateway.on['PUT /api/photo'] = () => { asked += 1; return refusal(413, 'OUT_OF_RANGE', 'That is too large: at most 10 MiB.'); };
    await drop(page, '.drop-zone', [{ name: 'big.jpg', bytes: btoa('x') }]);
    await expectText(page, '#upload-status', 'Done: 1 failed');
    assert.match(await page.locator('.failures').innerText(), /big.jpg: That is too large: at most 10 MiB\.$/);
    assert.equal(asked, 1);
  },

  async otherFormatsGetTheServersSentence(page, gateway) {
    await openOperator(page, gateway);
    gateway.on['PUT /api/photo'] = () => refusal(400, 'INVALID_ARGUMENT', 'This picture cannot be used: it is HEIC. Use a JPEG, PNG or WebP file.');
    await drop(page, '.drop-zone', [{ name: 'IMG_1.HEIC', bytes: btoa('\0\0\0\x18ftypheic') }]);
    await expectText(page, '.failures', 'IMG_1.HEIC: This picture cannot be used: it is HEIC.');
  },

  async twoFilesOfOneIdDoNotReplaceEachOther(page, gateway) {
    const ids = await openOperator(page, gateway);
    await page.selectOption('#on-conflict', 'ON_CONFLICT_REPLACE');
    await drop(page, '.drop-zone', [{ name: 'a.jpg', bytes: btoa('x') }, { name: 'a.png', bytes: btoa('y') }]);
    await expectText(page, '#upload-status', 'Done: 1 added, 1 failed');
    await expectText(page, '.failures', 'a.png would have the same id as a.jpg: rename one of them');
    assert.deepEqual(ids, ['a']);
  },

  async loggedOutIsSaidOnceForAllFiles(page, gateway) {
    await openOperator(page, gateway);
    gateway.on['PUT /api/photo'] = () => refusal(401, 'UNAUTHENTICATED', 'Only an operator may do this: log in first.');
    await drop(page, '.drop-zone', [{ name: 'many.jpg', bytes: btoa('x'), count: 40 }]);
    await expectText(page, '#upload-status', 'Stopped: 40 not sent. Only an operator may do this: log in first.');
    assert.equal(await page.locator('.failures li').count(), 0);
  },

  async uploadSaysThatItWaitsUntilItResumes(page, gateway) {
    await openOperator(page, gateway);
    let answer = () => refusal(503, 'UNAVAILABLE', 'The server is not responding at the moment.');
    gateway.on['PUT /api/photo'] = () => answer();
    await drop(page, '.drop-zone', [{ name: 'a.jpg', bytes: btoa('x') }]);
    await expectText(page, '#upload-status', 'The server is not responding at the moment. Retrying automatically.');
    answer = () => ({ result: 'RESULT_ADDED' });
    await expectText(page, '#upload-status', 'Done: 1 added');
    assert.doesNotMatch(await status(page), /is not responding/);
  },

  async fileThatFailsAfterWaitingEndsTheWait(page, gateway) {
    await openOperator(page, gateway);
    await stopClock(page);
    let answer = () => refusal(503, 'UNAVAILABLE', 'The server is not responding at the moment.');
    const held = [];
    gateway.on['PUT /api/photo'] = (url) => (url.searchParams.get('request').includes('"b"') ? new Promise((go) => { held.push(go); }) : answer());
    await drop(page, '.drop-zone', [{ name: 'a.jpg', bytes: btoa('x') }, { name: 'b.jpg', bytes: btoa('y') }]);
    await expectText(page, '#upload-status', 'Retrying automatically.');
    answer = () => refusal(400, 'INVALID_ARGUMENT', 'This picture cannot be used: it is cut.');
    await page.clock.runFor(1000);
    await expectText(page, '.failures', 'it is cut');
    await expectText(page, '#upload-status', '1 of 2: 1 failed');
    assert.doesNotMatch(await status(page), /sent again/);
    held[0]({ result: 'RESULT_ADDED' });
    await expectText(page, '#upload-status', 'Done: 1 added, 1 failed');
  },

  async stopEndsThePauseBeforeAFurtherTry(page, gateway) {
    await openOperator(page, gateway);
    await stopClock(page);
    gateway.on['PUT /api/photo'] = () => refusal(503, 'UNAVAILABLE', 'The server is not responding at the moment.');
    await drop(page, '.drop-zone', [{ name: 'a.jpg', bytes: btoa('x') }]);
    await expectText(page, '#upload-status', 'Retrying automatically.');
    await page.click('text=Stop');
    await expectText(page, '#upload-status', 'Stopped: ');
  },

  async oddIdsGoThroughThePage(page, gateway) {
    const ids = ['a/b', 'what?', '#1', '100%', 'a b', 'a+b', 'a&b=c', '"quoted"', "it's", '..', '😀', '<b>x</b>', '\\'];
    gateway.photoIds = ids;
    const pictures = [];
    const thumbnail = gateway.on['GET /api/photo/thumbnail'];
    gateway.on['GET /api/photo/thumbnail'] = (url) => { pictures.push(url.searchParams.get('id')); return thumbnail(); };
    let deleted = null;
    gateway.on['POST /api/photos/delete'] = (url, request) => { deleted = request.postDataJSON().photoIds; return { deletedCount: ids.length }; };
    await openOperator(page, gateway);
    await page.locator('#gallery-list .card').nth(ids.length - 1).waitFor();
    assert.deepEqual(await page.$$eval('#gallery-list .card', (cards) => cards.map((card) => card.dataset.photo)), ids);
    for (const box of await page.locator('#gallery-list input').all()) await box.check();
    await page.click('#delete-chosen');
    await page.click('#question button[value="yes"]');
    await expectText(page, '.note', `${ids.length} deleted`);
    assert.deepEqual(deleted, ids);
    assert.deepEqual([...new Set(pictures)].sort(), [...ids].sort());
    for (const id of ids) {
      await page.fill('#photo-id', id);
      const asked = page.waitForRequest('**/api/photo?id=*');
      await page.keyboard.press('Enter');
      assert.equal(new URL((await asked).url()).searchParams.get('id'), id);
    }
  },
};
