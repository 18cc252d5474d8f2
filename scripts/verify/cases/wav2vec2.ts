/** The wav2vec2 sound encoder, and its states at the rates of the avatar's frames. */
import type { Tensor } from '../../../src/engine/graph/graph.ts';
import {
  atMiddleRate,
  atVideoRate,
  hearSound,
  normaliseSound,
} from '../../../src/engine/models/live-avatar/audio-features.ts';
import { parseWav2Vec2Config } from '../../../src/engine/models/live-avatar/wav2vec2-config.ts';
import type { Config } from '../../../src/engine/models/config-json.ts';
import { transpose } from '../axes.ts';
import type { Checker, Output } from '../case.ts';

const BUCKET = /^out\.bucket_fps16_batch(\d+)$/;

export const wav2vec2Case: Checker = {
  matches: ({ audio_encoder }, io) =>
    typeof audio_encoder === 'object' && audio_encoder !== null && io.includes('in.waveform'),
  async run(context) {
    const { io, blocks } = context;
    const config = parseWav2Vec2Config(context.config['audio_encoder'] as Config);
    const store = await context.open('model');
    const sound = normaliseSound((await io.read('in.waveform')).values);
    const keep = (graph: Tensor['graph']) => (name: string, x: Tensor) =>
      graph.result(`mid.${name}`, x);
    const results = await hearSound(
      context,
      store,
      config,
      sound,
      ({ graph }, states) => states.forEach((state, i) => graph.result(`${i}`, state)),
      blocks ? { probe: ({ graph }) => keep(graph) } : {},
    );
    store.checkAllUsed();
    const { width } = config;
    const states = Array.from(
      { length: config.layers + 1 },
      (_, i) => results[i] ?? new Float32Array(),
    );
    const at30 = states.map((state) => atMiddleRate(state, width));
    const network = (name: string, values: Float32Array): Output => ({
      name,
      values,
      measure: 'network',
    });
    const outputs = [
      network('in.input_values', sound),
      ...states.map((state, i) => network(`out.hidden_states.${i}`, state)),
      network('out.last_hidden_state', states.at(-1) ?? new Float32Array()),
      network('out.features_30hz', joined(at30)),
    ];
    for (const name of io.names()) {
      const [, frames] = BUCKET.exec(name) ?? [];
      if (frames === undefined) continue;
      const columns = at30.map((rows) => atVideoRate(rows, width, Number(frames)));
      const turned = columns.map((rows) => transpose(rows, [rows.length / width, width], [1, 0]));
      outputs.push(network(name, joined(turned)));
    }
    const mids = Object.entries(results).filter(([name]) => io.has(name));
    for (const [name, values] of mids) {
      const { shape } = await io.read(name);
      const [, C = 1, T = 1] = shape;
      const first = /^mid\.conv\d+$/.test(name);
      outputs.push(network(name, first ? transpose(values, [T, C], [1, 0]) : values));
    }
    return outputs;
  },
};

function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((n, part) => n + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}
