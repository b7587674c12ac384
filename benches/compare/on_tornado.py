import sys

import tornado.ioloop
import tornado.web


class Application(tornado.web.RequestHandler):
    def get(self):
        request = self.request
        self.write(f"{request.method} {request.uri} {len(request.body)}\n")

    post = get

    def log_exception(self, *_):
        pass


tornado.web.Application([(".*", Application)]).listen(int(sys.argv[1]), "127.0.0.1")
tornado.ioloop.IOLoop.current().start()
