#include "binding/hparams_js.h"

#include <cstdlib>
#include <string>

namespace altclip {

namespace {

/// The shortest decimal that gives the same float, so that JavaScript sees 1e-5 and not 0.000009999999747378752.
double shortest(float value) {
    char text[32];
    for (int precision = 6; precision <= 9; ++precision) {
        std::snprintf(text, sizeof(text), "%.*g", precision, static_cast<double>(value));
        if (std::strtof(text, nullptr) == value) break;
    }
    return std::strtod(text, nullptr);
}

Napi::Object encoder_to_js(Napi::Env env, const EncoderHparams & p) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("hiddenSize", p.n_embd);
    object.Set("numHiddenLayers", p.n_layer);
    object.Set("numAttentionHeads", p.n_head);
    object.Set("intermediateSize", p.n_ff);
    object.Set("layerNormEps", shortest(p.eps));
    object.Set("hiddenAct", activation_name(p.activation));
    return object;
}

}  // namespace

Napi::Object hparams_to_js(Napi::Env env, const Hparams & hparams) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("projectionDim", hparams.projection_dim);
    object.Set("logitScaleInitValue", shortest(hparams.logit_scale_init_value));
    if (const auto & p = hparams.text) {
        Napi::Object text = encoder_to_js(env, *p);
        text.Set("vocabSize", p->n_vocab);
        text.Set("maxPositionEmbeddings", p->n_positions);
        text.Set("typeVocabSize", p->n_token_types);
        text.Set("projectDim", p->n_project);
        text.Set("bosTokenId", p->bos_token_id);
        text.Set("padTokenId", p->pad_token_id);
        text.Set("eosTokenId", p->eos_token_id);
        object.Set("text", text);
    }
    if (const auto & p = hparams.vision) {
        Napi::Object vision = encoder_to_js(env, *p);
        vision.Set("imageSize", p->image_size);
        vision.Set("patchSize", p->patch_size);
        vision.Set("numChannels", p->n_channels);
        object.Set("vision", vision);
    }
    return object;
}

}  // namespace altclip
