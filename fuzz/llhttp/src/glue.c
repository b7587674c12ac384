/* Parses the bytes of a connection and writes down what llhttp says of them, as records: a kind, the length of what
   follows (four bytes, little end first), and that. */

#include <stdint.h>
#include <string.h>

#include "llhttp.h"

struct record {
  uint8_t *out;
  size_t room;
  size_t used;
};

static void note(struct record *record, char kind, const char *bytes, size_t length) {
  if (record->room - record->used < length + 5) {
    record->used = record->room + 1;
    record->room = 0;
    return;
  }
  uint8_t *out = record->out + record->used;
  out[0] = (uint8_t)kind;
  for (int i = 0; i < 4; i++) out[1 + i] = (uint8_t)(length >> (8 * i));
  if (length > 0) memcpy(out + 5, bytes, length);
  record->used += length + 5;
}

static int begin(llhttp_t *parser) { note(parser->data, 'M', NULL, 0); return 0; }
static int method(llhttp_t *parser, const char *at, size_t n) { note(parser->data, 'm', at, n); return 0; }
static int url(llhttp_t *parser, const char *at, size_t n) { note(parser->data, 'u', at, n); return 0; }
static int body(llhttp_t *parser, const char *at, size_t n) { note(parser->data, 'b', at, n); return 0; }
static int complete(llhttp_t *parser) { note(parser->data, 'c', NULL, 0); return 0; }

/* Returns the bytes written, or more than the room if that was not enough. */
size_t httpfsm_fuzz_llhttp(const uint8_t *bytes, size_t length, uint8_t *out, size_t room) {
  struct record record = {out, room, 0};
  llhttp_settings_t settings;
  llhttp_settings_init(&settings);
  settings.on_message_begin = begin;
  settings.on_method = method;
  settings.on_url = url;
  settings.on_body = body;
  settings.on_message_complete = complete;
  llhttp_t parser;
  llhttp_init(&parser, HTTP_REQUEST, &settings);
  parser.data = &record;
  llhttp_errno_t error = llhttp_execute(&parser, (const char *)bytes, length);
  if (error == HPE_OK) error = llhttp_finish(&parser);
  if (error != HPE_OK) {
    const char *name = llhttp_errno_name(error);
    note(&record, 'e', name, strlen(name));
  }
  return record.used;
}
