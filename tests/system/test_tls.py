"""HTTP within TLS: certificates from files, replaced while the server runs."""

import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading

from server import Project, Server, Skip, binary, equal, event, run, until


def make_certificate(folder, name, common="sluice test"):
    """A certificate for 127.0.0.1 and localhost that signs itself."""
    if shutil.which("openssl") is None:
        raise Skip("there is no openssl")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", f"/CN={common}", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
                    "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem"], check=True, capture_output=True)


def serve(project):
    with open(f"{project.folder}/sluice.yaml", "w") as file:
        file.write("version: 1\nserve: {http: 127.0.0.1:0, tls: {certificate: chain.pem, key: chain.key}}\n")
    return Server(project)


def client(port, authorities, lowest=None, highest=None):
    context = ssl.create_default_context(cafile=authorities)
    if lowest:
        context.minimum_version = lowest
    if highest:
        context.maximum_version = highest
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)


def ask(connection, method, target, body=None, headers=None):
    connection.request(method, target, body, headers or {})
    answer = connection.getresponse()
    return answer.status, answer.read()


def requests_and_large_answers_pass():
    with Project() as project:
        make_certificate(project.folder, "chain")
        with serve(project) as server:
            chain = f"{project.folder}/chain.pem"
            connection = client(server.port, chain)
            rows = "".join(json.dumps(event(i)) + "\n" for i in range(1000))
            for _ in range(3):
                status, answer = ask(connection, "POST", "/v1/events/shop.user-events", rows,
                                     {"Content-Type": "application/x-ndjson"})
                equal((status, json.loads(answer)["received"]), (200, 1000))
            status, answer = ask(connection, "POST", "/v1/sql", "select range as n from range(300000)",
                                 {"Content-Type": "text/plain", "Accept": "application/x-ndjson"})
            equal((status, answer.count(b"\n")), (200, 300_001))
            # Many at once, each with a handshake.
            statuses = []

            def one():
                statuses.append(ask(client(server.port, chain), "GET", "/healthz")[0])

            threads = [threading.Thread(target=one) for _ in range(40)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            equal(statuses, [200] * 40)
            # An answer that closes the connection comes whole, with TLS's own end.
            context = ssl.create_default_context(cafile=chain)
            with socket.create_connection(("127.0.0.1", server.port)) as plain:
                with context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as wrapped:
                    wrapped.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    answer = b""
                    while piece := wrapped.recv(65536):
                        answer += piece
                    assert answer.endswith(b"ok\n"), answer
            # A query whose client goes away stops.
            leaving = client(server.port, chain)
            leaving.request("POST", "/v1/sql", "select count(*) from range(1000000000000) a, range(1000000000) b",
                            {"Content-Type": "text/plain"})
            mine = "select count(*) from system.queries where state = 'running' and sql like '%1000000000) b'"

            def running():
                return json.loads(ask(connection, "POST", "/v1/sql", mine, {"Content-Type": "text/plain"})[1])["rows"]

            until(lambda: running() == [[1]], "the query runs")
            leaving.close()
            until(lambda: running() == [[0]], "the query stops with its client")


def what_is_old_or_no_tls_is_refused():
    with Project() as project:
        make_certificate(project.folder, "chain")
        with serve(project) as server:
            chain = f"{project.folder}/chain.pem"
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                connection = client(server.port, chain, version, version)
                equal(ask(connection, "GET", "/healthz")[0], 200)
                equal(connection.sock.version(), {771: "TLSv1.2", 772: "TLSv1.3"}[version])
            for version in ("-tls1", "-tls1_1"):
                done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", version, "-cipher",
                                       "ALL:@SECLEVEL=0"], input=b"", capture_output=True, timeout=30)
                assert done.returncode != 0, f"{version} was taken"
            try:
                status = ask(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30), "GET", "/healthz")
                raise AssertionError(f"without TLS: {status}")
            except (http.client.HTTPException, OSError):
                pass
            try:
                ask(client(server.port, None), "GET", "/healthz")
                raise AssertionError("an unknown authority was trusted")
            except ssl.SSLError:
                pass
            # Garbage and silence hurt nobody else.
            silent = socket.create_connection(("127.0.0.1", server.port))
            with socket.create_connection(("127.0.0.1", server.port)) as junk:
                junk.sendall(os.urandom(4096))
                equal(ask(client(server.port, chain), "GET", "/healthz")[0], 200)
            silent.close()


def files_are_read_again_when_they_change():
    with Project() as project:
        make_certificate(project.folder, "chain", "first")
        with serve(project) as server:
            chain = f"{project.folder}/chain.pem"

            def shown():
                return ssl.get_server_certificate(("127.0.0.1", server.port))

            first = open(chain).read().strip()
            equal(shown().strip(), first)
            kept = client(server.port, chain)
            equal(ask(kept, "GET", "/healthz")[0], 200)
            with open(chain, "w") as file:
                file.write("no certificate")
            until(lambda: shown() and "certificate not replaced" in server.output(), "the broken one is told")
            equal(shown().strip(), first)
            make_certificate(project.folder, "next", "second")
            os.replace(f"{project.folder}/next.key", f"{project.folder}/chain.key")
            os.replace(f"{project.folder}/next.pem", chain)
            second = open(chain).read().strip()
            until(lambda: shown().strip() == second, "the new one is shown")
            equal(ask(kept, "GET", "/healthz")[0], 200)


def mistakes_stop_the_start():
    with Project() as project:
        for settings, said in {"{certificate: chain.pem}": "belong together",
                               "{certificate: none.pem, key: chain.key}": "serve.tls.certificate",
                               "{certificate: chain.pem, key: other.key}": "the certificate's",
                               "{certificate: chain.key, key: chain.key}": "certificate cannot be read"}.items():
            make_certificate(project.folder, "chain")
            make_certificate(project.folder, "other")
            with open(f"{project.folder}/sluice.yaml", "w") as file:
                file.write(f"version: 1\nserve: {{http: 127.0.0.1:0, tls: {settings}}}\n")
            code, _, err = project.command("serve")
            assert code in (1, 78) and said in err, (code, err)


def commands_speak_it():
    with Project() as project:
        make_certificate(project.folder, "chain")
        with serve(project) as server:
            def cli(*arguments):
                done = subprocess.run([binary(), *arguments], text=True, capture_output=True, timeout=60)
                return done.returncode, done.stdout, done.stderr

            chain = f"{project.folder}/chain.pem"
            at = ("--server", f"https://127.0.0.1:{server.port}")
            port = server.port
            with open(f"{project.folder}/sluice.yaml", "w") as file:
                file.write(f"version: 1\nserve: {{http: 127.0.0.1:{port}, tls: {{certificate: chain.pem, key: chain.key}}}}\n")
            out = cli("-C", project.folder, "-o", "json", "doctor")[1]
            assert f"127.0.0.1:{port} is served by Sluice" in out, out
            equal(cli("-C", project.folder, "--authorities", chain, "sql", "-c", "select 1 as one")[1], "one\n1\n")
            equal(cli(*at, "--authorities", chain, "sql", "-c", "select 1 as one"), (0, "one\n1\n", ""))
            code, out, err = cli(*at, "sql", "-c", "select 1")
            equal((code, out), (69, ""), err)
            assert "certificate" in err, err
            make_certificate(project.folder, "other")
            equal(cli(*at, "--authorities", f"{project.folder}/other.pem", "sql", "-c", "select 1")[0], 69)
            code, out, err = cli(*at, "--authorities", chain, "sql", "-c", "select range from range(100000)")
            equal((code, out.count("\n")), (0, 100_001), err)


def only_http_1_1_is_spoken():
    """docs/adr/0010-no-http2.md"""
    with Project() as project:
        make_certificate(project.folder, "chain")
        with serve(project) as server:
            def shake(*offered):
                context = ssl.create_default_context(cafile=f"{project.folder}/chain.pem")
                context.set_alpn_protocols(offered)
                with socket.create_connection(("127.0.0.1", server.port)) as plain:
                    with context.wrap_socket(plain, server_hostname="localhost") as wrapped:
                        return wrapped.selected_alpn_protocol()

            equal(shake("h2", "http/1.1"), "http/1.1")
            equal(shake("http/1.1"), "http/1.1")
            try:
                equal(shake("h2"), "a refusal")
            except ssl.SSLError as error:
                assert "NO_APPLICATION_PROTOCOL" in str(error).upper().replace(" ", "_"), error
    with Project() as project, Server(project) as server:
        def say(text):
            with socket.create_connection(("127.0.0.1", server.port)) as plain:
                plain.sendall(text)
                answer = b""
                while piece := plain.recv(65536):
                    answer += piece
                return answer

        settings = b"\0\0\0\x04\0\0\0\0\0"
        answer = say(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings)
        assert answer.startswith(b"HTTP/1.1 505 ") and b"SL5050" in answer, answer
        answer = say(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings, close\r\n"
                     b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"ok\n"), answer


run(requests_and_large_answers_pass, what_is_old_or_no_tls_is_refused, files_are_read_again_when_they_change,
    mistakes_stop_the_start, commands_speak_it,
    only_http_1_1_is_spoken)
