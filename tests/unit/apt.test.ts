import { describe, expect, it } from 'vitest';
import { backportsSource } from '../../scripts/lib/apt.mjs';

const backports = (name: string, text: string) => backportsSource([{ name, text }], 'bookworm');

describe('the backports source', () => {
  it('comes from a deb822 stanza with its keys, and drops the other suites', () => {
    const text = [
      'Types: deb',
      '# a comment',
      'URIs: http://archive.test/security',
      'Suites: bookworm-security',
      'Components: main',
      '',
      'Types: deb deb-src',
      'URIs: http://archive.test/debian',
      'Suites: bookworm bookworm-updates',
      'Components: main contrib',
      'Signed-By: /keys/debian.gpg',
      '',
    ].join('\n');
    expect(backports('debian.sources', text)).toEqual({
      name: 'backports.sources',
      text: [
        'Types: deb deb-src',
        'URIs: http://archive.test/debian',
        'Suites: bookworm-backports',
        'Components: main',
        'Signed-By: /keys/debian.gpg',
        '',
      ].join('\n'),
    });
  });

  it('comes from a one-line entry with its options', () => {
    const text = [
      '# deb http://off.test/debian bookworm main',
      'deb-src http://archive.test/debian bookworm main',
      'deb http://archive.test/security bookworm-security main',
      'deb [signed-by=/keys/debian.gpg arch=amd64] http://archive.test/debian bookworm main contrib',
    ].join('\n');
    expect(backports('main.list', text)).toEqual({
      name: 'backports.list',
      text: 'deb [signed-by=/keys/debian.gpg arch=amd64] http://archive.test/debian bookworm-backports main\n',
    });
  });

  it('is not made from another release, a foreign archive or a disabled stanza', () => {
    const stanza = 'Types: deb\nURIs: http://a.test/d\nSuites: bookworm\nComponents: main\n';
    expect(backports('a.sources', `${stanza}Enabled: no\n`)).toBeUndefined();
    expect(backports('a.sources', stanza.replace('bookworm', 'trixie'))).toBeUndefined();
    expect(backports('a.sources', stanza.replace('main', 'contrib'))).toBeUndefined();
    expect(backports('a.list', 'deb http://a.test/d stable main\n')).toBeUndefined();
    expect(backports('a.sources', stanza)?.text).toContain('bookworm-backports');
  });
});
