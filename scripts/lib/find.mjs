/** Finds what is installed outside node_modules: browsers and Vulkan drivers. Node built-ins only. */
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

const BROWSERS = [
  'google-chrome-stable',
  'google-chrome',
  'chrome',
  'chromium',
  'chromium-browser',
  'microsoft-edge',
];

const BROWSER_FILES = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
  'C:\\Program Files (x86)\\Google\\Chrome\\Application\\chrome.exe',
  'C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe',
];

/** Folders where Linux distributions keep the manifests of Vulkan drivers. */
const DRIVER_FOLDERS = [
  '/usr/share/vulkan/icd.d',
  '/usr/local/share/vulkan/icd.d',
  '/etc/vulkan/icd.d',
];

/**
 * Returns the path of a program on PATH.
 * @param {string} name
 * @returns {string | undefined}
 */
export function findProgram(name) {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, name)).find((file) => isExecutable(file));
}

/**
 * Returns the browser to use: PUPPETEER_EXECUTABLE_PATH, else one that is installed, else one that puppeteer downloaded.
 * @returns {string | undefined}
 */
export function findChrome() {
  const chosen = process.env['PUPPETEER_EXECUTABLE_PATH'];
  if (chosen) return chosen;
  const installed = BROWSERS.map(findProgram).find((file) => file !== undefined);
  return installed ?? BROWSER_FILES.find((file) => existsSync(file)) ?? findDownloadedChrome();
}

/** @returns {string | undefined} */
function findDownloadedChrome() {
  const cache = process.env['PUPPETEER_CACHE_DIR'] ?? join(homedir(), '.cache', 'puppeteer');
  const builds = list(join(cache, 'chrome')).toSorted().toReversed();
  return builds
    .flatMap((build) =>
      list(join(cache, 'chrome', build)).map((folder) => join(cache, 'chrome', build, folder)),
    )
    .flatMap((folder) => [
      join(folder, 'chrome'),
      join(folder, 'chrome.exe'),
      join(folder, 'Google Chrome for Testing.app/Contents/MacOS/Google Chrome for Testing'),
    ])
    .find((file) => existsSync(file));
}

/**
 * Returns the manifest of a software Vulkan driver.
 * @param {'lavapipe' | 'swiftshader'} name
 * @returns {string | undefined}
 */
export function findDriver(name) {
  if (name === 'lavapipe') {
    return DRIVER_FOLDERS.flatMap((folder) => list(folder).map((file) => join(folder, file))).find(
      (file) => /lvp_icd.*\.json$/.test(file),
    );
  }
  const browser = findChrome();
  const folders = ['/usr/lib/chromium', '/usr/lib/chromium-browser', '/opt/google/chrome'];
  if (browser) folders.push(join(browser, '..'));
  return folders
    .map((folder) => join(folder, 'vk_swiftshader_icd.json'))
    .find((file) => existsSync(file));
}

/**
 * @param {string} folder
 * @returns {string[]}
 */
function list(folder) {
  return existsSync(folder) ? readdirSync(folder) : [];
}

/**
 * @param {string} file
 * @returns {boolean}
 */
function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
