/**
 * The native addon's whole surface, typed in one place (test/native_contract.test.ts holds it against the real
 * exports). Nothing here is public: the facade turns native errors into AltCLIPError.
 */
import { loadAddon, loadGpuAddon } from './native_loader';

/** Weight types a model file can carry. */
export type NativeDType = 'f32' | 'f16' | 'bf16' | 'q8_0' | 'q6_k' | 'q5_k_m' | 'q5_k' | 'q4_k_m' | 'q4_k' | 'q4_0';
export type Tower = 'text' | 'vision';

/** A cancellation request that native threads poll. */
export interface NativeAbortFlag {
  abort(): void;
}

/** Hyper-parameters as the GGUF file states them. */
export interface NativeHparams {
  /** 0 where a tower was saved without its projection. */
  projectionDim: number;
  logitScaleInitValue: number;
  text?: {
    hiddenSize: number;
    numHiddenLayers: number;
    numAttentionHeads: number;
    intermediateSize: number;
    layerNormEps: number;
    hiddenAct: string;
    vocabSize: number;
    maxPositionEmbeddings: number;
    typeVocabSize: number;
    projectDim: number;
    bosTokenId: number;
    padTokenId: number;
    eosTokenId: number;
  };
  vision?: {
    hiddenSize: number;
    numHiddenLayers: number;
    numAttentionHeads: number;
    intermediateSize: number;
    layerNormEps: number;
    hiddenAct: string;
    imageSize: number;
    patchSize: number;
    numChannels: number;
  };
}

export interface NativeTensorInfo {
  name: string;
  type: string;
  /** Python's order: slowest dimension first. */
  shape: number[];
  bytes: number;
}

/** What is in a GGUF file, without its weights. */
export interface NativeModelFile {
  name: string;
  dtype: string;
  bytes: number;
  hparams: NativeHparams;
  /** preprocessor_config.json as the file carries it, if it does. */
  preprocessor?: Record<string, unknown>;
  hasTokenizer: boolean;
  /** Version of the layout, where linear weights lie packed for the CPU's kernels. */
  packedLayout?: number;
  tensors: NativeTensorInfo[];
}

export interface NativeLoadOptions {
  /** Where both are, a file written for one gives that one. */
  towers: Tower[];
  /** 'cpu' or the name of one of the addon's own devices. */
  device: string;
  /** 0: as many as the machine has cores. */
  threads: number;
  abort?: NativeAbortFlag | undefined;
  /** Called with a fraction 0..1. */
  onProgress?: ((fraction: number) => void) | undefined;
}

/** Which tensors a call should bring back; what is not asked for is not computed where that saves work. */
export interface NativeWanted {
  lastHiddenState: boolean;
  poolerOutput: boolean;
  features: boolean;
  hiddenStates: boolean;
  attentions: boolean;
}

/** Row-major [rows, columns]; exactly one of inputIds and inputsEmbeds [rows, columns, hidden]. */
export interface NativeTextInput {
  rows: number;
  columns: number;
  inputIds?: BigInt64Array | undefined;
  inputsEmbeds?: Float32Array | undefined;
  attentionMask?: BigInt64Array | undefined;
  positionIds?: BigInt64Array | undefined;
  tokenTypeIds?: BigInt64Array | undefined;
}

/** pixelValues [images, channels, height, width], row-major. */
export interface NativeImageInput {
  images: number;
  channels: number;
  height: number;
  width: number;
  pixelValues: Float32Array;
  interpolatePosEncoding: boolean;
}

/** Row-major; [n, tokens, width], [n, width], [n, projection_dim], layers + 1 of [n, tokens, hidden], layers of [n, heads, tokens, tokens]. */
export interface NativeTowerOutput {
  /** Positions an image or a text row has in the outputs. */
  tokens: number;
  lastHiddenState?: Float32Array;
  poolerOutput?: Float32Array;
  features?: Float32Array;
  hiddenStates?: Float32Array[];
  attentions?: Float32Array[];
}

/** A GPU that an addon computes with. */
export interface NativeDevice {
  /** 'vulkan:0': the backend, and the device's place among the backend's. */
  name: string;
  backend: 'cuda' | 'metal' | 'vulkan';
  description: string;
  type: 'discrete' | 'integrated' | 'software';
  /** Bytes. */
  memoryFree: number;
  memoryTotal: number;
}

export interface NativeModel {
  readonly name: string;
  readonly dtype: string;
  /** Bytes of the loaded towers' weights. */
  readonly bytes: number;
  readonly device: string;
  readonly threads: number;
  /** Trained value, natural logarithm. */
  readonly logitScale: number;
  readonly hparams: NativeHparams;
  encodeText(input: NativeTextInput, wanted: NativeWanted, abort?: NativeAbortFlag): Promise<NativeTowerOutput>;
  encodeImage(input: NativeImageInput, wanted: NativeWanted, abort?: NativeAbortFlag): Promise<NativeTowerOutput>;
  /** Aborts what is running, frees everything; safe to call twice. Later calls reject with DISPOSED. */
  dispose(): Promise<void>;
}

/** One encoded text; offsets are UTF-16 code units, two a token, where asked for. */
export interface NativeEncoding {
  ids: Int32Array;
  offsets?: Uint32Array;
}

/** Encoded texts, one behind the other; `ends`: where each text's ids end. */
export interface NativeEncodings extends NativeEncoding {
  ends: Uint32Array;
}

export interface NativeTokenizer {
  readonly vocabSize: number;
  readonly specialTokens: {
    bos: number;
    eos: number;
    unk: number;
    sep: number;
    pad: number;
    cls: number;
    mask: number;
  };
  /** Stated by tokenizer_config.json or the GGUF file. */
  readonly modelMaxLength?: number;
  readonly paddingSide: 'left' | 'right';
  readonly truncationSide: 'left' | 'right';
  readonly cleanUpTokenizationSpaces: boolean;
  readonly modelInputNames: string[];
  /** Ids without any special token around them. */
  encode(text: string, withOffsets: boolean): NativeEncoding;
  encodeBatch(texts: string[], withOffsets: boolean): NativeEncodings;
  idToToken(id: number): string | undefined;
  tokenToId(token: string): number | undefined;
  decode(ids: Int32Array, skipSpecialTokens: boolean): string;
  /** Writes a tokenizer.json of the same tokenizer. */
  writeJson(file: string): Promise<void>;
}

/** Pillow's numbers: 0 nearest, 1 lanczos, 2 bilinear, 3 bicubic, 4 box, 5 hamming. */
export interface NativePreprocessOptions {
  /** Output of the resize in pixels, already computed from `size`; absent: no resize. */
  resize?: { height: number; width: number; resample: number } | undefined;
  /** Centre crop, padded with zeros where larger than the image; absent: none. */
  crop?: { height: number; width: number } | undefined;
  rescaleFactor?: number | undefined;
  mean?: number[] | undefined;
  std?: number[] | undefined;
}

export interface NativeConvertOptions {
  /** Folder in Hugging Face's layout, or a config.json's text for random weights. */
  source: string | { config: string; seed: number };
  output: string;
  dtype: NativeDType | 'auto';
  /** That tower alone, and the checkpoint may lack the other; both where absent. */
  tower?: Tower | undefined;
  /** Linear weights as the CPU's kernels read them: loading then takes no work, and nothing else can read them. */
  packed?: boolean | undefined;
  /** general.name; the folder's name where absent. */
  name?: string | undefined;
  abort?: NativeAbortFlag | undefined;
  onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
}

export interface NativeConvertReport {
  dtype: string;
  tensors: number;
  bytes: number;
}

export interface NativeCopyOptions {
  /** A model's GGUF file. */
  source: string;
  output: string;
  /** That tower alone; all that is there where absent. */
  tower?: Tower | undefined;
  abort?: NativeAbortFlag | undefined;
}

export interface NativeSimilarity {
  textEmbeds: Float32Array;
  imageEmbeds: Float32Array;
  /** [texts, images] */
  logitsPerText: Float32Array;
}

export interface NativeAddon {
  AbortFlag: new () => NativeAbortFlag;
  loadModel(file: string, options: NativeLoadOptions): Promise<NativeModel>;
  /** The GPUs that this addon computes with; the first call starts their drivers. */
  listDevices(): Promise<NativeDevice[]>;
  readModelFile(file: string): Promise<NativeModelFile>;
  convertModel(options: NativeConvertOptions): Promise<NativeConvertReport>;
  copyModel(options: NativeCopyOptions): Promise<void>;
  /** From a GGUF file, a tokenizer.json or a SentencePiece model. */
  loadTokenizer(file: string): Promise<NativeTokenizer>;
  /** RGB bytes, row by row -> float32 [3, height, width], or the uint8 [height, width, 3] crop where nothing is rescaled or normalised. */
  preprocessImage(
    rgb: Uint8Array,
    width: number,
    height: number,
    options: NativePreprocessOptions,
  ): Promise<Float32Array | Uint8Array>;
  /** Normalises both sides and multiplies: exp(logitScale) * T . I^T; features are [n, dim]. */
  similarity(text: Float32Array, image: Float32Array, dim: number, logitScale: number): Promise<NativeSimilarity>;
  /** ggml's version and the instruction sets in use. */
  systemInfo(): string;
  /** Ends every native thread of this environment and waits for it; nothing works afterwards. */
  shutDown(): void;
}

export const native: NativeAddon = loadAddon() as NativeAddon;

// process.exit in the middle of work: the threads must end before the process tears down what they compute with
process.once('exit', () => native.shutDown());

/** A GPU backend that comes as an addon of its own, beside the ordinary one. */
export type GpuBackend = 'cuda' | 'vulkan';

const gpuAddons = new Map<GpuBackend, NativeAddon | string>();

/** The addon for a backend's GPUs, loaded at the first call; where it does not load, the reason, which is remembered. */
export function gpuAddon(backend: GpuBackend): NativeAddon | string {
  let found = gpuAddons.get(backend);
  if (found === undefined) {
    found = loadGpuAddon(backend) as NativeAddon | string;
    gpuAddons.set(backend, found);
    if (typeof found !== 'string') process.once('exit', found.shutDown);
  }
  return found;
}
