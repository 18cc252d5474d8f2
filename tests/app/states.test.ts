import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import en from '../../src/app/i18n/en.json' with { type: 'json' };
import zh from '../../src/app/i18n/zh-CN.json' with { type: 'json' };
import { openApp } from './app.ts';
import type { OpenApp } from './app.ts';

let app: OpenApp;

beforeAll(async () => {
  app = await openApp({ workersFirst: true });
});

afterAll(() => app?.close());

const said = (selector: string): Promise<string> =>
  app.page.$eval(selector, (element) => element.textContent ?? '');

/** Waits for a text that begins like a message, in English and then in Chinese. */
async function expectBoth(selector: string, key: keyof typeof en): Promise<void> {
  for (const [locale, words] of [
    ['zh-CN', zh],
    ['en', en],
  ] as const) {
    await app.page.select('#language', locale);
    const fixed = words[key].split(/\{\w+\}/).filter((part) => part.trim() !== '');
    await app.page.waitForFunction(
      (where, parts) => {
        const text = document.querySelector(where)?.textContent ?? '';
        return parts.every((part) => text.includes(part));
      },
      { timeout: 30_000 },
      selector,
      fixed,
    );
    expect(await said(selector)).not.toMatch(/\{\w+\}/);
  }
}

async function start(steps = '1'): Promise<void> {
  const { page } = app;
  await page.click('.sample');
  await page.waitForSelector('#picture');
  await page.click('input[value=preview]');
  await page.$eval('.advanced', (details) => details.setAttribute('open', ''));
  for (const [name, value] of Object.entries({ frames: '3', steps })) {
    await page.$eval(
      `#${name}`,
      (field, wanted) => {
        if (!(field instanceof HTMLInputElement)) throw new TypeError('no field');
        field.value = wanted;
        field.dispatchEvent(new Event('change', { bubbles: true }));
      },
      value,
    );
  }
  await page.click('#generate');
}

const HARDWARE = `for (const [name, value] of Object.entries({
  vendor: 'maker', architecture: '', device: '', description: 'card', isFallbackAdapter: false }))
  Object.defineProperty(GPUAdapterInfo.prototype, name, { get: () => value });`;

const NO_H264 = `const Real = globalThis.VideoEncoder;
globalThis.VideoEncoder = class extends Real {
  static isConfigSupported(config) {
    return config.codec.startsWith('avc') ? Promise.resolve({ supported: false, config }) : Real.isConfigSupported(config);
  }
  configure(config) {
    if (config.codec.startsWith('avc')) throw new DOMException('no H.264', 'NotSupportedError');
    super.configure(config);
  }
};`;

const NO_MEMORY = `const { pushErrorScope, popErrorScope } = GPUDevice.prototype;
const filters = [];
GPUDevice.prototype.pushErrorScope = function (filter) { filters.push(filter); pushErrorScope.call(this, filter); };
GPUDevice.prototype.popErrorScope = async function () {
  const filter = filters.pop();
  const error = await popErrorScope.call(this);
  return filter === 'out-of-memory' ? new GPUOutOfMemoryError('forced') : error;
};`;

const LITTLE_SPACE = `navigator.storage.estimate = async () => ({ usage: 0, quota: 5e6 });
const oid = '0'.repeat(64);
globalThis.fetch = async (url) => Response.json(String(url).includes('/tree/')
  ? ['model.ckpt', 'open_clip_model.safetensors', 'open_clip_pytorch_model.bin', 'tokenizer/tokenizer.json', 'tokenizer/vocab.json', 'tokenizer/merges.txt']
    .map((path) => ({ type: 'file', path, size: 5e9, lfs: { oid, size: 5e9 } }))
  : { sha: '0123456789abcdef0123456789abcdef01234567' });`;

describe('the page says, in both languages,', () => {
  it('that it must be opened over https', async () => {
    const { identifier } = await app.page.evaluateOnNewDocument(() => {
      Object.defineProperty(globalThis, 'isSecureContext', { value: false });
    });
    await app.reopen('');
    await expectBoth('#adapter', 'failure.gpu/insecure');
    await app.page.removeScriptToEvaluateOnNewDocument(identifier);
  });

  it('that the browser has no WebGPU', async () => {
    await app.reopen(`Object.defineProperty(navigator, 'gpu', { value: undefined });`);
    await expectBoth('#adapter', 'failure.gpu/unsupported');
  });

  it('that there is no usable graphics card, with diagnostics to copy', async () => {
    await app.reopen('navigator.gpu.requestAdapter = async () => null;');
    await expectBoth('#adapter', 'failure.gpu/no-adapter');
    await app.page.click('.machine .copy-diagnostics');
    await app.page.waitForSelector('.machine .told');
    expect(await said('.machine .told')).toContain('gpu/no-adapter');
  });

  it('that it runs on the processor', async () => {
    await app.reopen('');
    await expectBoth('#adapter', 'machine.software');
  });

  it('that there is no half precision', async () => {
    await app.reopen(HARDWARE);
    await expectBoth('#adapter', 'state.noHalf');
  });

  it('that a buffer is too small for a quality, which cannot be chosen then', async () => {
    await app.reopen(
      `Object.defineProperty(GPUSupportedLimits.prototype, 'maxBufferSize', { get: () => 1_500_000 });`,
    );
    await app.page.click('.sample');
    await app.page.waitForSelector('input[value=high]:disabled', { timeout: 60_000 });
    await expectBoth('.choice:has(input[value=high]) .estimate', 'failure.gpu/limit');
    expect(
      await app.page.$eval('input[value=high]', (input) => input.hasAttribute('disabled')),
    ).toBe(true);
  });

  it('that graphics memory is short', async () => {
    await app.reopen(NO_MEMORY);
    await start();
    await app.page.waitForSelector('#error', { timeout: 60_000 });
    await expectBoth('#error', 'failure.gpu/memory');
  });

  it('that a model does not fit into the storage, before it is fetched', async () => {
    await app.reopen(LITTLE_SPACE);
    await app.page.click('#open-models');
    await app.page.waitForSelector('#model-dynamicrafter-512 .fetch');
    await app.page.click('#model-dynamicrafter-512 .fetch');
    await app.page.waitForSelector('#model-dynamicrafter-512 .licence .bad');
    await expectBoth('#model-dynamicrafter-512 .licence .bad', 'models.noSpace');
    await app.page.click('#model-dynamicrafter-512 input[type=checkbox]');
    expect(
      await app.page.$eval('#model-dynamicrafter-512 .primary', (button) =>
        button.hasAttribute('disabled'),
      ),
    ).toBe(true);
  });

  it('that the driver restarted, and goes on', async () => {
    await app.reopen('');
    await start('4');
    await app.page.waitForFunction(() =>
      document.querySelector('#stage')?.textContent?.startsWith('Imagining'),
    );
    await app.crashGpu();
    await app.page.waitForSelector('.notice', { timeout: 20_000 });
    await expectBoth('.notice', 'notice.device-lost');
    await app.page.keyboard.press('Escape');
    await app.page.waitForSelector('#progress', { hidden: true });
  });

  it('that a video is not in H.264', async () => {
    await app.reopen(NO_H264);
    await start();
    await app.page.waitForSelector('#no-h264', { timeout: 120_000 });
    await expectBoth('#no-h264', 'state.noH264');
  });
});
