"""h11 is a protocol without I/O; here a thread for each connection feeds it."""

import socket
import sys
import threading

import h11


def serve(sock):
    connection = h11.Connection(h11.SERVER)
    try:
        while exchange(connection, sock):
            connection.start_next_cycle()
    except h11.RemoteProtocolError as error:
        respond(connection, sock, error.error_status_hint, str(error).encode())
    except OSError:
        pass
    finally:
        sock.close()


def exchange(connection, sock):
    """Serves a request; returns whether another may follow."""
    request, length = None, 0
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            if connection.they_are_waiting_for_100_continue:
                sock.sendall(connection.send(h11.InformationalResponse(status_code=100, headers=[])))
            connection.receive_data(sock.recv(65536))
        elif type(event) is h11.Request:
            request = event
        elif type(event) is h11.Data:
            length += len(event.data)
        elif type(event) is h11.EndOfMessage:
            respond(connection, sock, 200, b"%s %s %d\n" % (request.method, request.target, length))
            return connection.our_state is h11.DONE and connection.their_state is h11.DONE
        else:
            return False


def respond(connection, sock, status, content):
    if connection.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
        headers = [("Content-Length", str(len(content)))]
        out = connection.send(h11.Response(status_code=status, headers=headers))
        sock.sendall(out + connection.send(h11.Data(data=content)) + connection.send(h11.EndOfMessage()))


listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=1024)
while True:
    peer, _ = listener.accept()
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=serve, args=(peer,), daemon=True).start()
