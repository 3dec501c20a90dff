/** altclip: AltCLIP for Node.js, with the names of transformers. */
export { AltCLIPConfig, AltCLIPTextConfig, AltCLIPVisionConfig } from './configuration';
export { AltCLIPError, type AltCLIPErrorCode } from './errors';
export { type ImageDataLike, type ImageInput, RawImage, type ReadImageOptions } from './image';
export { CLIPImageProcessor, type ImageProcessorCall, type ImageProcessorOptions } from './image_processing';
export type { DType, PretrainedOptions, ProgressCallback, ProgressInfo } from './loading';
export { AltCLIPModel, type EncodeImagesOptions } from './modeling';
export type { ModelOptions, RandomModelOptions } from './modeling_base';
export type {
  AltCLIPInputs,
  ForwardOptions,
  ImageInputs,
  TextInputs,
  TextTowerInputs,
  VisionTowerInputs,
} from './modeling_inputs';
export { AltCLIPTextModel, AltCLIPVisionModel } from './modeling_towers';
export type { AltCLIPOutput, AltCLIPTowerOutput } from './outputs';
export {
  type Classification,
  type ClassificationOptions,
  pipeline,
  ZeroShotImageClassificationPipeline,
} from './pipeline';
export { AltCLIPProcessor, type ProcessorInputs, type ProcessorOutput } from './processing';
export type { EncodeOptions, OnError } from './streams';
export { type NestedArray, Tensor, type TensorLike, type TensorType } from './tensor';
export { type TokenizerOptions, XLMRobertaTokenizer } from './tokenization';
