//! The order of a list, which its header row offers: `?sort=size&order=desc`.

/// By what, and in which direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Order {
    pub(crate) by: Column,
    pub(crate) descending: bool,
}

/// A column of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Column {
    Name,
    Size,
    Modified,
}

impl Column {
    pub(crate) const ALL: [Self; 3] = [Self::Name, Self::Size, Self::Modified];

    /// Its name in a query.
    fn key(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Size => "size",
            Self::Modified => "modified",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Name => "Name",
            Self::Size => "Size",
            Self::Modified => "Modified (UTC)",
        }
    }

    /// What is looked for in a column is the first name, the largest file, the newest one.
    fn descends_first(self) -> bool {
        self != Self::Name
    }
}

impl Order {
    /// The order that a query asks for. What is unknown in it does not count.
    pub(crate) fn of(query: Option<&str>) -> Self {
        let value = |name: &str| {
            let mut pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let by = Column::ALL.into_iter().find(|column| value("sort") == Some(column.key()));
        let by = by.unwrap_or(Column::Name);
        let descending = match value("order") {
            Some("asc") => false,
            Some("desc") => true,
            _ => by.descends_first(),
        };
        Self { by, descending }
    }

    /// The cells of the header row. Each is a link to the order by its column, and that of this order to its reverse.
    pub(crate) fn header(self) -> String {
        Column::ALL.into_iter().map(|column| self.header_of(column)).collect()
    }

    fn header_of(self, column: Column) -> String {
        let is_this = column == self.by;
        let descending = if is_this { !self.descending } else { column.descends_first() };
        let state = match (is_this, self.descending) {
            (false, _) => "",
            (true, false) => " aria-sort=\"ascending\"",
            (true, true) => " aria-sort=\"descending\"",
        };
        let (key, order) = (column.key(), if descending { "desc" } else { "asc" });
        let title = column.title();
        format!("<th scope=\"col\"{state}><a href=\"?sort={key}&amp;order={order}\">{title}</a></th>")
    }
}

#[cfg(test)]
mod tests {
    use super::Column::{Modified, Name, Size};
    use super::Order;

    #[test]
    fn a_query_says_the_order() {
        for (query, by, descending) in [
            (None, Name, false),
            (Some(""), Name, false),
            (Some("sort=name"), Name, false),
            (Some("order=desc"), Name, true),
            (Some("sort=size"), Size, true),
            (Some("sort=size&order=asc"), Size, false),
            (Some("x&order=desc&sort=modified&sort=name"), Modified, true),
            (Some("sort=\"><script>&order=up"), Name, false),
            (Some("Sort=size&sort=Size"), Name, false),
        ] {
            assert_eq!(Order::of(query), Order { by, descending }, "{query:?}");
        }
    }

    #[test]
    fn a_header_leads_to_its_order_and_that_of_this_order_to_its_reverse() {
        assert_eq!(
            Order::of(Some("sort=size")).header(),
            "<th scope=\"col\"><a href=\"?sort=name&amp;order=asc\">Name</a></th>\
             <th scope=\"col\" aria-sort=\"descending\"><a href=\"?sort=size&amp;order=asc\">Size</a></th>\
             <th scope=\"col\"><a href=\"?sort=modified&amp;order=desc\">Modified (UTC)</a></th>"
        );
        let by_name = Order::of(None).header();
        assert!(
            by_name.starts_with(
                "<th scope=\"col\" aria-sort=\"ascending\"><a href=\"?sort=name&amp;order=desc\">"
            )
        );
    }
}
