/** The utility process: holds the model, loaded at the first question, and answers. */
import { pipeline, type ZeroShotImageClassificationPipeline } from 'altclip';
import type { Answer, Question, Reply } from './protocol';

let classifier: Promise<ZeroShotImageClassificationPipeline> | undefined;

async function answer({ picture, labels }: Question): Promise<Answer> {
  try {
    classifier ??= pipeline('zero-shot-image-classification', 'demo');
    const classify = await classifier;
    return { labels: await classify(picture, labels) };
  } catch (error) {
    // a class does not survive the way between processes, and the page needs no more than the sentence
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

process.parentPort.on('message', async ({ data }: { data: Question }) => {
  const reply: Reply = { id: data.id, answer: await answer(data) };
  process.parentPort.postMessage(reply);
});
