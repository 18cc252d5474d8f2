/**
 * Gets what a command needs: `node scripts/setup.mjs test|animate|verify|all`. Runs before node_modules is there, so
 * it uses Node's own modules only. Does nothing, quickly, when all is in place.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { aptInstall, canInstall, installedVersion } from './lib/apt.mjs';
import { findChrome, findDriver, findProgram } from './lib/find.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Dawn refuses the lavapipe of Mesa 22. */
const OLDEST_MESA = 24;

/** A puppeteer download that takes longer is given up. */
const DOWNLOAD_MS = 180_000;

const NEEDS = {
  animate: { browser: 'required', drivers: false, ffmpeg: false },
  verify: { browser: 'none', drivers: true, ffmpeg: false },
  test: { browser: 'wanted', drivers: true, ffmpeg: true },
  all: { browser: 'wanted', drivers: true, ffmpeg: true },
};

const [goal = 'all'] = process.argv.slice(2);
if (!Object.hasOwn(NEEDS, goal))
  fail(`setup: got "${goal}", knows ${Object.keys(NEEDS).join(', ')}`);
const needs = NEEDS[/** @type {keyof typeof NEEDS} */ (goal)];

installNodePackages();
const wanted = systemPackages();
if (wanted.length > 0) installSystemPackages(wanted);
if (needs.browser === 'required' && !findChrome()) {
  fail('setup: no Chrome or Chromium found — install one, or set PUPPETEER_EXECUTABLE_PATH to it');
}

/** @typedef {{ readonly name: string, readonly use: string, readonly oldest?: number }} SystemPackage */

/** @returns {SystemPackage[]} what is missing and apt could bring */
function systemPackages() {
  /** @type {SystemPackage[]} */
  const packages = [];
  if (needs.browser !== 'none' && !findChrome() && !downloadChrome()) {
    packages.push({ name: 'chromium', use: 'the browser that runs the app' });
  }
  if (process.platform !== 'linux') return packages;
  if (needs.drivers && (!findDriver('lavapipe') || mesaIsOld())) {
    packages.push({ name: 'libvulkan1', use: 'the Vulkan loader' });
    packages.push({ name: 'mesa-vulkan-drivers', use: 'GPU tests with f16', oldest: OLDEST_MESA });
  }
  if (needs.drivers && needs.browser !== 'none' && !findDriver('swiftshader')) {
    const asked = packages.some(({ name }) => name === 'chromium');
    if (!asked)
      packages.push({ name: 'chromium', use: 'GPU tests without f16: it brings SwiftShader' });
  }
  if (needs.ffmpeg && !findProgram('ffprobe')) {
    packages.push({ name: 'ffmpeg', use: 'the tests that read the video back' });
  }
  return packages;
}

/** @param {readonly SystemPackage[]} packages */
function installSystemPackages(packages) {
  const list = packages.map(({ name, use }) => `  ${name} — ${use}`).join('\n');
  const names = packages.map(({ name }) => name).join(' ');
  if (!canInstall()) {
    console.warn(
      `setup: not found here:\n${list}\nOn Debian or Ubuntu, as root: apt-get install ${names}`,
    );
    return;
  }
  console.log(`setup: installing with apt\n${list}`);
  try {
    aptInstall(packages);
  } catch (error) {
    console.warn(`setup: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** @returns {boolean} */
function mesaIsOld() {
  const version = installedVersion('mesa-vulkan-drivers');
  return version !== undefined && Number.parseInt(version, 10) < OLDEST_MESA;
}

function installNodePackages() {
  if (nodePackagesMatch()) return;
  console.log('setup: installing node packages');
  const npm = process.env['npm_execpath'];
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund'];
  const { status, error } = npm
    ? spawnSync(process.execPath, [npm, ...args], { cwd: root, stdio: 'inherit' })
    : spawnSync('npm', args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' });
  if (status !== 0) fail(`setup: npm ci did not succeed${error ? `: ${error.message}` : ''}`);
}

/** Compares what npm noted in node_modules with the lock file. */
function nodePackagesMatch() {
  const note = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(note)) return false;
  const { packages: wantedPackages } = readJson(join(root, 'package-lock.json'));
  const { packages: installed } = readJson(note);
  return Object.entries(wantedPackages).every(
    ([path, entry]) =>
      path === '' || entry.optional === true || installed[path]?.version === entry.version,
  );
}

/**
 * @param {string} file
 * @returns {{ packages: Record<string, { version?: string, optional?: boolean }> }}
 */
function readJson(file) {
  return JSON.parse(readFileSync(file, 'utf8'));
}

/**
 * Tries puppeteer's own browser; returns whether it is there afterwards and starts.
 * @returns {boolean}
 */
function downloadChrome() {
  console.log('setup: no Chrome or Chromium found, trying a download');
  const cli = join(root, 'node_modules/puppeteer/lib/cjs/puppeteer/node/cli.js');
  const { status } = spawnSync(process.execPath, [cli, 'browsers', 'install', 'chrome'], {
    cwd: root,
    stdio: 'ignore',
    timeout: DOWNLOAD_MS,
  });
  const browser = findChrome();
  if (status === 0 && browser && spawnSync(browser, ['--version']).status === 0) return true;
  console.log('setup: the download did not give a browser that starts');
  return false;
}

/**
 * @param {string} message
 * @returns {never}
 */
function fail(message) {
  console.error(message);
  process.exit(1);
}
