// Models that TensorFlow.js made, wrote and answered; make_tfjs.py says how to run this and packs what it wrote.
const tf = require('@tensorflow/tfjs');
const fs = require('fs');
const path = require('path');

const folder = process.argv[2];
const L = tf.layers;

function sequential() {
  const inner = tf.sequential({layers: [L.dense({units: 3, inputShape: [2], activation: 'relu'})]});
  return [tf.sequential({layers: [
    L.lstm({units: 3, inputShape: [5, 2], returnSequences: true}),
    L.batchNormalization(),
    L.bidirectional({layer: L.lstm({units: 2, returnSequences: true, recurrentActivation: 'sigmoid'}), mergeMode: 'concat'}),
    L.timeDistributed({layer: L.dense({units: 2})}),
    L.rnn({cell: [L.lstmCell({units: 3}), L.gruCell({units: 2, resetAfter: false})], returnSequences: true}),
    L.gru({units: 2, resetAfter: false}),
    inner,
    L.dense({units: 2, activation: 'softmax'}),
  ]}), [[3, 5, 2]]];
}

function functional() {
  const series = tf.input({shape: [4, 2]});
  const facts = tf.input({shape: [3]});
  const read = L.lstm({units: 3}).apply(series);
  const dense = L.dense({units: 3, activation: 'tanh', useBias: false});
  const joined = L.concatenate().apply([read, dense.apply(facts), dense.apply(read)]);
  return [tf.model({inputs: [series, facts], outputs: L.dense({units: 1}).apply(joined)}), [[2, 4, 2], [2, 3]]];
}

async function write(name, [model, shapes]) {
  const weights = model.getWeights().map((w, n) => {
    const values = tf.randomUniform(w.shape, -0.7, 0.7, 'float32', n + 1);
    return w.size && n === model.getWeights().length - 1 && name === 'made_by_tfjs' ? values.abs().add(0.3) : values;
  });
  model.setWeights(weights);
  const xs = shapes.map((shape, n) => tf.randomNormal(shape, 0, 1, 'float32', 7 + n));
  const y = model.predict(xs.length > 1 ? xs : xs[0]);
  await model.save(tf.io.withSaveHandler(async artifacts => {
    const {modelTopology, weightSpecs, weightData, format, generatedBy, convertedBy} = artifacts;
    fs.mkdirSync(path.join(folder, name), {recursive: true});
    const manifest = [{paths: ['./model.weights.bin'], weights: weightSpecs}];
    const content = {modelTopology, format, generatedBy, convertedBy, weightsManifest: manifest};
    fs.writeFileSync(path.join(folder, name, 'model.json'), JSON.stringify(content));
    fs.writeFileSync(path.join(folder, name, 'model.weights.bin'), Buffer.from(weightData));
    return {modelArtifactsInfo: {}};
  }));
  const answer = Object.fromEntries(xs.map((x, n) => [`x${n}`, x.arraySync()]));
  answer.y0 = y.arraySync();
  fs.writeFileSync(path.join(folder, `${name}.json`), JSON.stringify(answer));
}

write('made_by_tfjs', sequential()).then(() => write('made_by_tfjs_functional', functional()));
