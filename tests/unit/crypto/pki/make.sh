#!/bin/bash
# make.sh - the certificates of the TLS tests: made once and kept, valid from 2020 to 2120; their keys are no secrets
#
# usage: tests/unit/crypto/pki/make.sh	(writes beside itself; needs openssl)
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
touch "$work/index"
echo 1000 >"$work/serial"

cat >"$work/ca.conf" <<-CONF
	[ca]
	default_ca = our
	[our]
	database = $work/index
	serial = $work/serial
	new_certs_dir = $work
	default_md = sha256
	policy = any
	unique_subject = no
	copy_extensions = copy
	rand_serial = yes
	[any]
	commonName = supplied
CONF

key() {
	openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
}

# cert NAME CN ISSUER EXTENSIONS [FROM TO]: ISSUER may be NAME itself
cert() {
	local name=$1 cn=$2 issuer=$3 ext=$4 from=${5-20200101000000Z} to=${6-21200101000000Z}

	[ -f "$name.key" ] || key "$name"
	openssl req -new -key "$name.key" -subj "/CN=$cn" -out "$work/$name.csr"
	printf '%b\n' "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n$ext" >"$work/ext"
	if [ "$issuer" = "$name" ]; then
		openssl ca -batch -notext -config "$work/ca.conf" -selfsign -keyfile "$name.key" -in "$work/$name.csr" \
			-extfile "$work/ext" -startdate "$from" -enddate "$to" -out "$name.pem" 2>/dev/null
	else
		openssl ca -batch -notext -config "$work/ca.conf" -cert "$issuer.pem" -keyfile "$issuer.key" \
			-in "$work/$name.csr" -extfile "$work/ext" -startdate "$from" -enddate "$to" \
			-out "$name.pem" 2>/dev/null
	fi
}

ca='basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign'
rm -f ./*.pem ./*.key
cert root "Test Root" root "$ca"
cert other_root "Other Root" other_root "$ca"
cert inter "Test Intermediate" root "$ca"
cert inter2 "Second Intermediate" inter "$ca"
cert inter0 "Intermediate without depth" root "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign"
cert below0 "Intermediate below it" inter0 "$ca"
cert bounded "Bounded Intermediate" root "$ca\nnameConstraints=critical,permitted;DNS:inside.test"

cert server mx.example.org root "subjectAltName=DNS:mx.example.org,DNS:*.wild.example.org"
cert server2 mx.example.org inter "subjectAltName=DNS:mx.example.org"
cert server3 mx.example.org inter2 "subjectAltName=DNS:mx.example.org"
cert server0 mx.example.org below0 "subjectAltName=DNS:mx.example.org"
cert inside mx.inside.test bounded "subjectAltName=DNS:mx.inside.test"
cert outside mx.example.org bounded "subjectAltName=DNS:mx.example.org"
cert by_server mx.example.org server "subjectAltName=DNS:mx.example.org"
cert cn_only mx.example.org root "basicConstraints=CA:FALSE"
cert client_only mx.example.org root "subjectAltName=DNS:mx.example.org\nextendedKeyUsage=clientAuth"
cert expired mx.example.org root "subjectAltName=DNS:mx.example.org" 20200101000000Z 20210101000000Z
cert future mx.example.org root "subjectAltName=DNS:mx.example.org" 21000101000000Z 21100101000000Z
cert pinned relay.pinned.test pinned "subjectAltName=DNS:relay.pinned.test"

# The CA once more with a key of somebody else, nothing else changed (hostile-world, Appendix B), and a server below it;
# the same for the pinned one.
clone() {
	key "$2"
	openssl x509 -in "$1.pem" -outform DER -out "$work/genuine.der"
	openssl ec -in "$1.key" -pubout -outform DER -out "$work/old.key" 2>/dev/null
	openssl ec -in "$2.key" -pubout -outform DER -out "$work/new.key" 2>/dev/null
	python3 - "$work" <<-PY
		import sys
		read = lambda name: open(f"{sys.argv[1]}/{name}", "rb").read()
		der, old, new = read("genuine.der"), read("old.key"), read("new.key")
		assert der.count(old) == 1 and len(old) == len(new)
		open(f"{sys.argv[1]}/clone.der", "wb").write(der.replace(old, new))
	PY
	openssl x509 -inform DER -in "$work/clone.der" -out "$2.pem"
}
clone root root_clone
clone pinned pinned_clone
cert below_clone mx.example.org root_clone "subjectAltName=DNS:mx.example.org"

cat server3.pem inter2.pem inter.pem >server3_chain.pem
cat server2.pem inter.pem >server2_chain.pem
cat server0.pem below0.pem inter0.pem >server0_chain.pem
cat inside.pem bounded.pem >inside_chain.pem
cat outside.pem bounded.pem >outside_chain.pem
cat by_server.pem server.pem >by_server_chain.pem
cat below_clone.pem root_clone.pem >below_clone_chain.pem
cat client_only.pem client_only.key >client_pair.pem
