//! Names for merchant categories that are often meant together (ISO 18245).

/// A name and its categories, in ranges.
pub(super) static GROUPS: &[(&str, &[(u16, u16)])] = &[
    ("adult", &[(5967, 5967), (7273, 7273)]),
    ("airlines", &[(3000, 3350), (4511, 4511)]),
    ("cash", &[(6010, 6011)]),
    ("fuel", &[(5541, 5542), (5552, 5552), (5983, 5983)]),
    ("gambling", &[(7800, 7802), (7995, 7995)]),
    ("groceries", &[(5411, 5411), (5422, 5422), (5441, 5441), (5451, 5451), (5462, 5462), (5499, 5499)]),
    ("lodging", &[(3501, 3999), (7011, 7012)]),
    ("quasi-cash", &[(4829, 4829), (6050, 6051), (6540, 6540)]),
    ("restaurants", &[(5812, 5814)]),
    ("vehicle-rental", &[(3351, 3500), (7512, 7513), (7519, 7519)]),
];

/// The categories of a name.
pub(super) fn group(name: &str) -> Option<&'static [(u16, u16)]> {
    GROUPS.iter().find(|(known, _)| *known == name).map(|(_, ranges)| *ranges)
}
