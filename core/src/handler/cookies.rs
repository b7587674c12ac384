//! Cookies (RFC 6265), over the crate `cookie`.

use alloc::string::ToString;

use cookie::Cookie;

use super::request::Request;
use super::response::Response;
use crate::fields::InvalidField;
use crate::token::is_token;

impl Request {
    /// The cookies of the request, in order. What is no pair of a name and a value is left out.
    ///
    /// ```
    /// use httpfsm::handler::Request;
    ///
    /// async fn names(request: Request) -> String {
    ///     request.cookies().map(|cookie| format!("{}\n", cookie.name())).collect()
    /// }
    /// # let _ = names;
    /// ```
    pub fn cookies(&self) -> impl Iterator<Item = Cookie<'_>> {
        let pairs = self.field_all("cookie").flat_map(|line| line.split(|&byte| byte == b';'));
        pairs.filter_map(|pair| core::str::from_utf8(pair).ok()).filter_map(|pair| Cookie::parse(pair).ok())
    }

    /// The first cookie of this name; names are case-sensitive.
    ///
    /// ```
    #[doc = include_str!("../examples/request.txt")]
    /// let request = request("GET / HTTP/1.1\r\nCookie: theme=dark; session=42", ());
    /// assert_eq!(request.cookie("session").map(|cookie| cookie.value().to_owned()), Some("42".into()));
    /// assert!(request.cookie("Session").is_none());
    /// ```
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<Cookie<'_>> {
        self.cookies().find(|cookie| cookie.name() == name)
    }
}

impl Response {
    /// Sets a cookie (`Set-Cookie`). One that cannot be sent makes the response a 500, as in
    /// [`with_field`](Self::with_field): its name is no token (RFC 6265 section 4.1.1), a semicolon in its value, path or
    /// domain would begin an attribute, or it holds a control character. Nothing is encoded.
    ///
    /// ```
    /// use cookie::{Cookie, SameSite};
    /// use httpfsm::handler::Response;
    ///
    /// let session = Cookie::build(("session", "42")).http_only(true).secure(true).same_site(SameSite::Lax);
    /// let response = Response::text("Hello!").with_cookie(session);
    /// let value = response.fields.get("Set-Cookie");
    /// assert_eq!(value, Some(&b"session=42; HttpOnly; SameSite=Lax; Secure"[..]));
    /// ```
    #[must_use]
    pub fn with_cookie<'c>(self, cookie: impl Into<Cookie<'c>>) -> Self {
        let cookie = cookie.into();
        let mut texts = [Some(cookie.value()), cookie.path(), cookie.domain()].into_iter().flatten();
        if !is_token(cookie.name().as_bytes()) || texts.any(|text| text.contains(';')) {
            return self.with_fault(InvalidField::Cookie { name: cookie.name().into() });
        }
        self.with_field("Set-Cookie", cookie.to_string())
    }

    /// Has the client forget a cookie: sets it with an empty value that has expired. Path and domain are to be those that
    /// it was set with.
    ///
    /// ```
    /// use cookie::Cookie;
    /// use httpfsm::handler::Response;
    ///
    /// let response = Response::text("Bye!").without_cookie(Cookie::build("session").path("/"));
    /// let value = response.fields.get("Set-Cookie").unwrap_or_default();
    /// assert!(value.starts_with(b"session=; Path=/; Max-Age=0"));
    /// ```
    #[must_use]
    pub fn without_cookie<'c>(self, cookie: impl Into<Cookie<'c>>) -> Self {
        let mut cookie = cookie.into();
        cookie.make_removal();
        self.with_cookie(cookie)
    }
}
