/** Debian packages: reads apt's own source lists, adds the backports suite for one command, installs. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { findProgram } from './find.mjs';

/** @typedef {{ readonly name: string, readonly text: string }} SourceFile a file of apt's source lists */

/**
 * Says whether packages can be installed here: root, and a system with apt.
 * @returns {boolean}
 */
export function canInstall() {
  return process.getuid?.() === 0 && findProgram('apt-get') !== undefined;
}

/**
 * Returns the version of an installed Debian package.
 * @param {string} name
 * @returns {string | undefined}
 */
export function installedVersion(name) {
  const { status, stdout } = spawnSync(
    'dpkg-query',
    ['-W', '-f', '${db:Status-Status} ${Version}', name],
    {
      encoding: 'utf8',
    },
  );
  const [state, version] = status === 0 ? stdout.split(' ') : [];
  return state === 'installed' ? version : undefined;
}

/**
 * Returns a source file for the backports of `codename`, made from the entry that serves `codename` itself, so that
 * it asks the archive and trusts the keys that this machine is set up with; undefined when no entry serves it.
 * @param {readonly SourceFile[]} files
 * @param {string} codename
 * @returns {SourceFile | undefined}
 */
export function backportsSource(files, codename) {
  for (const { name, text } of files) {
    const entry = name.endsWith('.sources')
      ? backportsStanza(text, codename)
      : backportsLine(text, codename);
    if (entry)
      return { name: `backports${name.endsWith('.sources') ? '.sources' : '.list'}`, text: entry };
  }
  return undefined;
}

/**
 * @param {string} text one-line format: `deb [options] URI suite component...`
 * @param {string} codename
 * @returns {string | undefined}
 */
function backportsLine(text, codename) {
  for (const line of text.split('\n')) {
    const match = /^deb\s+(\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+main\b/.exec(line);
    if (match && match[3] === codename) {
      return `deb ${match[1] ?? ''}${match[2]} ${codename}-backports main\n`;
    }
  }
  return undefined;
}

/**
 * @param {string} text deb822 format: stanzas of `Field: value`
 * @param {string} codename
 * @returns {string | undefined}
 */
function backportsStanza(text, codename) {
  const stanzas = text.replace(/^#.*\n?/gm, '').split(/\n\s*\n/);
  const stanza = stanzas.find(
    (fields) =>
      field(fields, 'Types').includes('deb') &&
      field(fields, 'Suites').includes(codename) &&
      field(fields, 'Components').includes('main') &&
      field(fields, 'Enabled')[0] !== 'no',
  );
  return stanza
    ?.replace(/^Suites:.*$/im, `Suites: ${codename}-backports`)
    .replace(/^Components:.*$/im, 'Components: main')
    .trim()
    .concat('\n');
}

/**
 * @param {string} stanza
 * @param {string} name
 * @returns {string[]}
 */
function field(stanza, name) {
  const value = new RegExp(`^${name}:(.*)$`, 'im').exec(stanza)?.[1] ?? '';
  return value.trim().split(/\s+/);
}

/** @typedef {{ readonly name: string, readonly oldest?: number }} Wanted a package and the oldest major version that serves */

/**
 * Installs packages; one that is too old in the release itself comes from the release's backports. apt's configuration
 * stays as it is: the backports entry lives in a temporary folder. Throws an `Error` that says why not.
 * @param {readonly Wanted[]} packages
 */
export function aptInstall(packages) {
  const folder = mkdtempSync(join(tmpdir(), 'zoetrope-apt-'));
  const sources = [
    '-o',
    'Dir::Etc::SourceList=/dev/null',
    '-o',
    `Dir::Etc::SourceParts=${folder}`,
    '-o',
    'DPkg::Lock::Timeout=120',
  ];
  try {
    const files = sourceFiles();
    for (const { name, text } of files) writeFileSync(join(folder, name), text);
    apt('apt-get', [...sources, 'update', '-q']);
    const old = packages.filter(({ name, oldest = 0 }) => offeredVersion(sources, name) < oldest);
    const suite = old.length > 0 ? addBackports(folder, files) : '';
    if (suite) apt('apt-get', [...sources, 'update', '-q']);
    const names = packages.map(
      (wanted) => wanted.name + (suite && old.includes(wanted) ? `/${suite}` : ''),
    );
    apt('apt-get', [...sources, 'install', '-qy', '--no-install-recommends', ...names]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * Writes the backports entry into `folder`; returns the suite's name.
 * @param {string} folder
 * @param {readonly SourceFile[]} files
 * @returns {string}
 */
function addBackports(folder, files) {
  const release = readFileSync('/etc/os-release', 'utf8');
  const codename = /^VERSION_CODENAME=(\w+)/m.exec(release)?.[1] ?? '';
  const source = backportsSource(files, codename);
  if (!source)
    throw new Error(`apt's source lists have no entry for "${codename}" to find its backports by`);
  writeFileSync(join(folder, source.name), source.text);
  return `${codename}-backports`;
}

/**
 * Returns the major version that apt would install; 0 when it knows none.
 * @param {readonly string[]} sources
 * @param {string} name
 * @returns {number}
 */
function offeredVersion(sources, name) {
  const policy = apt('apt-cache', [...sources, 'policy', name]);
  return Number.parseInt(/Candidate: (?:\d+:)?(\d+)/.exec(policy)?.[1] ?? '0', 10);
}

/** @returns {SourceFile[]} */
function sourceFiles() {
  const parts = '/etc/apt/sources.list.d';
  const names = existsSync(parts) ? readdirSync(parts) : [];
  const files = names
    .filter((name) => name.endsWith('.list') || name.endsWith('.sources'))
    .map((name) => ({ name, text: readFileSync(join(parts, name), 'utf8') }));
  const main = '/etc/apt/sources.list';
  if (existsSync(main)) files.unshift({ name: 'main.list', text: readFileSync(main, 'utf8') });
  return files;
}

/**
 * Runs one of apt's programs; returns what it printed.
 * @param {'apt-get' | 'apt-cache'} program
 * @param {readonly string[]} args
 * @returns {string}
 */
function apt(program, args) {
  const { status, stdout, stderr } = spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' },
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 2 ** 26,
  });
  if (status === 0) return stdout;
  const tail = `${stdout}${stderr}`.trim().split('\n').slice(-5).join('\n');
  throw new Error(`${program} ended with status ${status}:\n${tail}`);
}
