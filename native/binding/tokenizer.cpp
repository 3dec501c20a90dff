#include "binding/bindings.h"

namespace altclip {

void init_tokenizer(Napi::Env, Napi::Object) {}

}  // namespace altclip
