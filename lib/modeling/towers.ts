import { abortable } from '../abort';
import type { AltCLIPTextConfig, AltCLIPVisionConfig } from '../configuration';
import type { NativeImageInput, NativeTextInput, NativeTowerOutput, NativeWanted } from '../native';
import { AltCLIPPreTrainedModel, type LoadedModel, loadPretrained, type ModelOptions, wantedBy } from './base';
import { checkInputs, imageInput, type TextTowerInputs, textInput, type VisionTowerInputs } from './inputs';
import { type AltCLIPTowerOutput, towerOutput } from './outputs';

/** One tower's run: what it computed, for how many rows, with how many heads. */
interface TowerRun {
  output: NativeTowerOutput;
  rows: number;
  heads: number;
}

/** Runs the text tower on checked input. @throws INVALID_ARGUMENT (ids out of range), ABORTED, DISPOSED. */
export async function runText(
  { native: model, addon }: LoadedModel,
  input: NativeTextInput,
  wanted: NativeWanted,
  signal: AbortSignal | undefined,
): Promise<TowerRun> {
  const output = await abortable(signal, (abort) => model.encodeText(input, wanted, abort), addon);
  return { output, rows: input.rows, heads: model.hparams.text?.numAttentionHeads ?? 0 };
}

/** Runs the vision tower on checked input. @throws INVALID_ARGUMENT (NaN), ABORTED, DISPOSED. */
export async function runVision(
  { native: model, addon }: LoadedModel,
  input: NativeImageInput,
  wanted: NativeWanted,
  signal: AbortSignal | undefined,
): Promise<TowerRun> {
  const output = await abortable(signal, (abort) => model.encodeImage(input, wanted, abort), addon);
  return { output, rows: input.images, heads: model.hparams.vision?.numAttentionHeads ?? 0 };
}

/** The text tower alone (XLM-RoBERTa, then pre_LN and the transformation to project_dim), as transformers has it. */
export class AltCLIPTextModel extends AltCLIPPreTrainedModel<TextTowerInputs, AltCLIPTowerOutput> {
  readonly config: AltCLIPTextConfig;

  constructor(loaded: LoadedModel) {
    super(loaded);
    this.config = loaded.config.text_config;
  }

  /**
   * Loads the text tower of a whole checkpoint, or one that AltCLIPTextModel.save_pretrained wrote; arguments and errors
   * as {@link AltCLIPModel.from_pretrained}.
   */
  static async from_pretrained(id_or_path: string, options?: ModelOptions): Promise<AltCLIPTextModel> {
    return new AltCLIPTextModel(await loadPretrained(id_or_path, ['text'], options));
  }

  /**
   * Hidden states of texts: last_hidden_state [texts, tokens, project_dim], pooler_output [texts, project_dim].
   * @throws INVALID_ARGUMENT naming the input and what was expected; ABORTED; DISPOSED.
   */
  async forward(inputs: TextTowerInputs): Promise<AltCLIPTowerOutput> {
    checkInputs(inputs, 'AltCLIPTextModel.forward');
    const input = textInput(inputs, this.native.hparams);
    const wanted = wantedBy(inputs, this.config, false);
    const { output, rows, heads } = await runText(this.loaded, input, wanted, inputs.signal);
    return towerOutput(output, rows, heads);
  }
}

/** The vision tower alone (CLIP's ViT), as transformers has it. */
export class AltCLIPVisionModel extends AltCLIPPreTrainedModel<VisionTowerInputs, AltCLIPTowerOutput> {
  readonly config: AltCLIPVisionConfig;

  constructor(loaded: LoadedModel) {
    super(loaded);
    this.config = loaded.config.vision_config;
  }

  /**
   * Loads the vision tower of a whole checkpoint, or one that AltCLIPVisionModel.save_pretrained wrote; arguments and
   * errors as {@link AltCLIPModel.from_pretrained}.
   */
  static async from_pretrained(id_or_path: string, options?: ModelOptions): Promise<AltCLIPVisionModel> {
    return new AltCLIPVisionModel(await loadPretrained(id_or_path, ['vision'], options));
  }

  /**
   * Hidden states of images: last_hidden_state [images, patches + 1, hidden_size], pooler_output [images, hidden_size].
   * @throws INVALID_ARGUMENT naming the input and what was expected; ABORTED; DISPOSED.
   */
  async forward(inputs: VisionTowerInputs): Promise<AltCLIPTowerOutput> {
    checkInputs(inputs, 'AltCLIPVisionModel.forward');
    const input = imageInput(inputs, this.native.hparams);
    const wanted = wantedBy(inputs, this.config, false);
    const { output, rows, heads } = await runVision(this.loaded, input, wanted, inputs.signal);
    return towerOutput(output, rows, heads);
  }
}
