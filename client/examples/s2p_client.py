#!/usr/bin/env python3
"""Searches, and adds photos, from Python: needs grpcio, protobuf and this repository's proto folder.

    apt-get install python3-grpcio python3-protobuf protobuf-compiler
    client/examples/s2p_client.py add photos/*.jpg
    client/examples/s2p_client.py search sketch.png

--server HOST:PORT, by default 127.0.0.1:50051; --tls-ca FILE turns TLS on. An API key is read from S2P_API_KEY,
or from the first line of --api-key-file. It is not sent to another machine in plain text, unless --insecure says
that the network is safe.
"""
import argparse
import ipaddress
import os
import subprocess
import sys
import tempfile

try:
    import grpc
except ImportError:
    sys.exit("grpcio is missing for %s: apt-get install python3-grpcio" % sys.executable)

PROTO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "proto")


def load_messages():
    """The modules that protoc generates from search.proto and gallery.proto."""
    folder = tempfile.TemporaryDirectory()
    protos = [os.path.join(PROTO, "s2p/v1", name) for name in os.listdir(os.path.join(PROTO, "s2p/v1"))
              if name.endswith(".proto")]
    subprocess.run(["protoc", "-I", PROTO, "--python_out", folder.name] + protos, check=True)
    sys.path.insert(0, folder.name)
    from s2p.v1 import gallery_pb2, search_pb2
    folder.cleanup()
    return search_pb2, gallery_pb2


search_pb2, gallery_pb2 = load_messages()


def is_loopback(server):
    """Whether HOST:PORT is this machine, for which gRPC would still use http_proxy."""
    if server.startswith("unix:"):
        return True
    host = server.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Client:
    """A connection; close it, or use it in a `with`."""

    def __init__(self, server, api_key="", timeout_seconds=10, tls_ca=None, insecure=False):
        """`tls_ca`: bytes of the authority to trust, in PEM form; without it the connection is plain text.

        Raises ValueError for a key that would leave this machine in plain text, unless `insecure`.
        """
        if api_key and not tls_ca and not insecure and not is_loopback(server):
            raise ValueError("the API key would travel to %s in plain text: give --tls-ca, or --insecure if the "
                             "network itself is safe" % server)
        # A request that the server cannot accept now is retried when it says.
        options = [
            ("grpc.per_rpc_retry_buffer_size", 16 << 20),
            ("grpc.enable_http_proxy", 0 if is_loopback(server) else 1),
            ("grpc.service_config", """{"methodConfig": [{
                "name": [{"service": "s2p.v1.SearchService"}],
                "retryPolicy": {"maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "2s",
                                "backoffMultiplier": 2,
                                "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"]}}]}"""),
        ]
        if tls_ca:
            self.channel = grpc.secure_channel(server, grpc.ssl_channel_credentials(tls_ca), options)
        else:
            self.channel = grpc.insecure_channel(server, options)
        self.timeout_seconds = timeout_seconds
        self.metadata = [("authorization", "Bearer " + api_key)] if api_key else []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.channel.close()

    def search(self, image, top_k=10):
        """SearchResponse for the bytes of a JPEG, PNG or WebP. Raises grpc.RpcError."""
        request = search_pb2.SearchRequest(top_k=top_k)
        request.examples.add().image = image
        call = self.channel.unary_unary(
            "/s2p.v1.SearchService/Search",
            request_serializer=search_pb2.SearchRequest.SerializeToString,
            response_deserializer=search_pb2.SearchResponse.FromString)
        return call(request, timeout=self.timeout_seconds, metadata=self.metadata)

    def add(self, photos):
        """Yields (id, AddPhotoResponse) for each (id, bytes, metadata) of `photos`, in order.

        A photo whose response has code 0 is stored. A broken stream raises grpc.RpcError: add the photos without a response again.
        """
        ids = []

        def requests():
            for photo_id, image, metadata in photos:
                ids.append(photo_id)
                yield gallery_pb2.AddPhotoRequest(photo_id=photo_id, image=image, metadata=metadata)

        call = self.channel.stream_stream(
            "/s2p.v1.GalleryService/AddPhotos",
            request_serializer=gallery_pb2.AddPhotoRequest.SerializeToString,
            response_deserializer=gallery_pb2.AddPhotoResponse.FromString)
        for number, response in enumerate(call(requests(), metadata=self.metadata)):
            yield ids[number], response


def read(path):
    with open(path, "rb") as file:
        return file.read()


def readable_names(paths):
    """The paths that are UTF-8, as ids and metadata must be; reports the others."""
    for path in paths:
        try:
            path.encode("utf-8")
        except UnicodeEncodeError:
            print("%s: the name is not UTF-8: rename the file" % ascii(path), file=sys.stderr)
        else:
            yield path


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", default="127.0.0.1:50051")
    parser.add_argument("--tls-ca", help="PEM file of the authority to trust")
    parser.add_argument("--api-key-file", help="file whose first line is the key")
    parser.add_argument("--insecure", action="store_true", help="send the key in plain text")
    commands = parser.add_subparsers(dest="command", required=True)
    search = commands.add_parser("search", help="find the photos that match a sketch")
    search.add_argument("sketch")
    search.add_argument("-k", type=int, default=10)
    add = commands.add_parser("add", help="add photos; a file's name without its ending is the id")
    add.add_argument("photos", nargs="+")
    arguments = parser.parse_args()

    api_key = os.environ.get("S2P_API_KEY", "")
    if arguments.api_key_file:
        api_key = (read(arguments.api_key_file).decode().splitlines() or [""])[0].strip()
    tls_ca = read(arguments.tls_ca) if arguments.tls_ca else None

    failed = 0
    with Client(arguments.server, api_key, tls_ca=tls_ca, insecure=arguments.insecure) as client:
        if arguments.command == "search":
            response = client.search(read(arguments.sketch), arguments.k)
            for match in response.matches:
                print("%d\t%.4f\t%s" % (match.rank, match.score, match.photo_id))
        else:
            paths = list(readable_names(arguments.photos))
            failed = len(arguments.photos) - len(paths)
            photos = ((os.path.splitext(os.path.basename(path))[0], read(path), {"file": path})
                      for path in paths)
            for photo_id, response in client.add(photos):
                if response.status.code != 0:
                    failed += 1
                    print("%s: %s" % (photo_id, response.status.message), file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:
        sys.exit("%s: %s" % (error.filename, error.strerror))
    except ValueError as error:
        sys.exit(str(error))
    except grpc.RpcError as error:
        sys.exit("%s (%s)" % (error.details(), error.code().name))
