//! An authority of the simulator's own, and the certificates it gives out: one good, the others each wrong in one way.

use std::io;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::script::{Certificate, Tls};

/// Made anew by every simulator, so that nothing signed by it is worth anything afterwards.
pub(super) struct Authority {
    known: CertifiedIssuer<'static, KeyPair>,
    unknown: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            known: issuer("hotspare simulator").map_err(io::Error::other)?,
            unknown: issuer("nobody's authority").map_err(io::Error::other)?,
        })
    }

    /// The certificate that clients must trust.
    pub(super) fn pem(&self) -> String {
        self.known.pem()
    }

    pub(super) fn acceptor(&self, tls: Tls, http2: bool) -> io::Result<TlsAcceptor> {
        let (certificate, key) = self.certificate(tls.certificate).map_err(io::Error::other)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .map_err(io::Error::other)?;
        if http2 {
            config.alpn_protocols.push(b"h2".to_vec());
        }
        config.alpn_protocols.push(b"http/1.1".to_vec());
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    fn certificate(
        &self,
        kind: Certificate,
    ) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), rcgen::Error> {
        let names: &[&str] = match kind {
            Certificate::WrongHost => &["elsewhere.example"],
            _ => &["localhost", "127.0.0.1"],
        };
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
        params.use_authority_key_identifier_extension = true;
        if kind == Certificate::Expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2020, 1, 2);
        }
        let issuer = match kind {
            Certificate::UnknownCa => &self.unknown,
            _ => &self.known,
        };
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, issuer)?;
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        Ok((certificate.der().clone(), key))
    }
}

fn issuer(name: &str) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}
