/** altclip: AltCLIP for Node.js, with the names of transformers. */
export { AltCLIPConfig, AltCLIPTextConfig, AltCLIPVisionConfig } from './configuration';
export { type DeviceInfo, type DeviceName, list_devices } from './devices';
export { AltCLIPError, type AltCLIPErrorCode } from './errors';
export type { ResizeSize } from './image/options';
export {
  CLIPImageProcessor,
  type ImageProcessorCall,
  type ImageProcessorOptions,
  type ImageProcessorOutput,
} from './image/processing';
export { type ImageDataLike, type ImageInput, RawImage, type ReadImageOptions } from './image/raw_image';
export type { ModelOptions, RandomModelOptions, SaveOptions } from './modeling/base';
export type {
  AltCLIPInputs,
  ForwardOptions,
  ImageInputs,
  TextInputs,
  TextTowerInputs,
  VisionTowerInputs,
} from './modeling/inputs';
export { AltCLIPModel, type EncodeImagesOptions } from './modeling/model';
export type { AltCLIPOutput, AltCLIPTowerOutput } from './modeling/outputs';
export { AltCLIPTextModel, AltCLIPVisionModel } from './modeling/towers';
export {
  type Classification,
  type ClassificationOptions,
  type Classify,
  pipeline,
  ZeroShotImageClassificationPipeline,
} from './pipeline';
export type { DType, PretrainedOptions, ProgressCallback, ProgressInfo } from './pretrained_options';
export { AltCLIPProcessor, type ProcessorInputs, type ProcessorOutput } from './processing';
export type { EncodeOptions, OnError } from './streams';
export { type NestedArray, Tensor, type TensorLike, type TensorType } from './tensor';
export {
  type BatchEncoding,
  type BatchEncodingLists,
  type DecodeOptions,
  type PaddingStrategy,
  type TextInput,
  type TokenIds,
  type TokenizerOptions,
  XLMRobertaTokenizer,
} from './tokenization/tokenizer';
