#include "error.h"

namespace altclip {

const char * error_code_name(ErrorCode code) {
    switch (code) {
        case ErrorCode::invalid_argument: return "INVALID_ARGUMENT";
        case ErrorCode::model_format: return "MODEL_FORMAT";
        case ErrorCode::unsupported: return "UNSUPPORTED";
        case ErrorCode::out_of_memory: return "OUT_OF_MEMORY";
        case ErrorCode::aborted: return "ABORTED";
        case ErrorCode::disposed: return "DISPOSED";
        case ErrorCode::io: return "IO";
        case ErrorCode::internal: return "INTERNAL";
    }
    return "INTERNAL";
}

}  // namespace altclip
