import sys

import waitress


def application(environ, start_response):
    length = len(environ["wsgi.input"].read())
    content = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} {length}\n".encode()
    start_response("200 OK", [("Content-Length", str(len(content)))])
    return [content]


waitress.serve(application, host="127.0.0.1", port=int(sys.argv[1]))
